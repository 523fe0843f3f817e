// Answers config requests.
using System.Diagnostics.CodeAnalysis;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Instances;
using VirtioUser.Host.Memory;
using VirtioUser.Host.Pings;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Config;

/// <summary>The operations of the config queues (draft, "Config Virtqueue Messages"). Any thread; those of one instance in their order.</summary>
internal sealed class ConfigHandler(
    DeviceCatalog catalog,
    InstanceLife life,
    Lane<PingSchedule> lane,
    ObjectTable objects,
    HostCounters counters,
    GuestLog guestLog,
    bool givesReasons)
{
    private const int AlignmentShift = 8;
    private const uint AlignmentBits = 0xFF << AlignmentShift;
    private const int MinAlignmentShift = 12;

    private const int MaxLogged = 300;

    // More do not fit into a reason.
    private const int MaxVersionsNamed = 32;

    private volatile bool _arenaUsable = true;

    /// <summary>Whether the guest sees the arena; while it does not, nothing can be allocated. Any thread.</summary>
    public bool ArenaUsable
    {
        get => _arenaUsable;
        set => _arenaUsable = value;
    }

    /// <summary>Answers a request.</summary>
    /// <param name="request">A copy of what the guest sent, of any length.</param>
    /// <param name="isTagInUse">Whether another request with this tag is in flight.</param>
    public ConfigMessage Handle(ReadOnlySpan<byte> request, bool isTagInUse = false)
    {
        counters.Add(Counter.ConfigRequests);
        var reply = default(ConfigMessage);
        if (request.Length != ConfigMessage.Size)
        {
            // What there is of the type and of the tag is repeated, so that the driver can tell which request this answers.
            reply.Operation = request.Length >= 4 ? (ConfigOperation)BitConverter.ToUInt32(request) : 0;
            reply.Tag = request.Length >= ConfigMessage.TagOffset + sizeof(ulong) ? BitConverter.ToUInt64(request[ConfigMessage.TagOffset..]) : 0;
            return Refused(ref reply, ConfigError.BadRequest, $"the message has {request.Length} bytes, not {ConfigMessage.Size}");
        }

        var message = ConfigMessage.Read(request);
        reply.Operation = message.Operation;
        reply.Tag = message.Tag;
        reply.InstanceHandle = message.InstanceHandle;
        reply.ShmId = message.ShmId;
        if (isTagInUse)
        {
            return Refused(ref reply, ConfigError.BadRequest, $"another request with the tag {message.Tag} is in flight");
        }

        var flags = message.Operation == ConfigOperation.AllocateMemory ? message.ShmFlags & ~AlignmentBits : message.ShmFlags;
        if (flags != 0)
        {
            return Refused(ref reply, ConfigError.BadRequest, $"shm_flags has bits that must be 0: {flags:x}");
        }

        return message.Operation switch
        {
            ConfigOperation.EnumerateDevices => Enumerate(in message, ref reply),
            ConfigOperation.CreateInstance => Create(in message, ref reply),
            ConfigOperation.DestroyInstance => Destroy(in message, ref reply),
            ConfigOperation.AllocateMemory => Allocate(in message, ref reply),
            ConfigOperation.FreeMemory => Free(in message, ref reply),
            ConfigOperation.ExportMemory => Export(in message, ref reply),
            ConfigOperation.ImportMemory => Import(in message, ref reply),
            ConfigOperation.Explain => Explain(in message, ref reply),
            _ => Refused(ref reply, ConfigError.BadRequest, "there is no such operation"),
        };
    }

    /// <summary>Ends an instance that no driver knows of.</summary>
    public void Destroy(ulong handle)
    {
        if (TryFind(handle, out var instance))
        {
            life.Destroy(instance);
        }
    }

    private ConfigMessage Enumerate(in ConfigMessage message, ref ConfigMessage reply)
    {
        var all = catalog.Identities;
        var first = (int)Math.Min(message.DeviceCount, (uint)all.Count);
        var count = Math.Min(all.Count - first, Limits.DevicesInMessage);
        reply.InstanceHandle = 0;
        reply.ShmId = (ulong)all.Count;
        reply.DeviceCount = (uint)count;
        for (var i = 0; i < count; i++)
        {
            reply.SetDevice(i, all[first + i]);
        }

        return reply;
    }

    private ConfigMessage Create(in ConfigMessage message, ref ConfigMessage reply)
    {
        var wanted = message.FirstDevice;
        reply.InstanceHandle = 0;
        reply.FirstDevice = wanted;
        if (catalog.Find(wanted.Vendor, wanted.Device) is not { } entry)
        {
            return Refused(ref reply, ConfigError.DeviceInitializationFailed, $"this host has no device {wanted.Vendor:x4}:{wanted.Device:x4}");
        }

        if (!entry.Versions.Contains(wanted.Version))
        {
            return Refused(
                ref reply, ConfigError.InstanceCreationFailed, $"no version {wanted.Version}, there are {string.Join(", ", entry.Versions.Take(MaxVersionsNamed))}");
        }

        if (life.Create(entry.Device, wanted, out var reason) is not { } instance)
        {
            return Refused(ref reply, ConfigError.InstanceCreationFailed, reason);
        }

        reply.DeviceCount = 1;
        reply.InstanceHandle = instance.Handle;
        reply.FirstDevice = instance.Identity;
        return reply;
    }

    private ConfigMessage Destroy(in ConfigMessage message, ref ConfigMessage reply)
    {
        if (!TryFind(message.InstanceHandle, out var instance))
        {
            return Refused(ref reply, ConfigError.InstanceDestructionFailed, NoInstance(in message));
        }

        life.Destroy(instance);
        return reply;
    }

    private ConfigMessage Allocate(in ConfigMessage message, ref ConfigMessage reply)
    {
        reply.ShmId = 0;
        var shift = (int)(message.ShmFlags >> AlignmentShift);
        if (shift > Limits.MaxAlignmentShift)
        {
            return Refused(ref reply, ConfigError.BadRequest, $"an alignment of 2^{shift} bytes is more than 2^{Limits.MaxAlignmentShift}");
        }

        if (!ArenaUsable)
        {
            return Refused(ref reply, ConfigError.AllocationFailed, "the guest does not see the shared memory");
        }

        if (!TryFind(message.InstanceHandle, out var instance))
        {
            return Refused(ref reply, ConfigError.AllocationFailed, NoInstance(in message));
        }

        if (objects.Allocate(message.ShmSize, 1UL << Math.Max(shift, MinAlignmentShift), out var reason) is not { } shared)
        {
            return Refused(ref reply, ConfigError.AllocationFailed, reason);
        }

        return Take(instance, shared, ref reply, ConfigError.AllocationFailed);
    }

    private ConfigMessage Import(in ConfigMessage message, ref ConfigMessage reply)
    {
        if (!TryFind(message.InstanceHandle, out var instance))
        {
            return Refused(ref reply, ConfigError.ImportFailed, NoInstance(in message));
        }

        if (objects.Import(message.ShmId) is not { } shared)
        {
            return Refused(ref reply, ConfigError.ImportFailed, $"object {message.ShmId} does not exist or was not exported");
        }

        return Take(instance, shared, ref reply, ConfigError.ImportFailed);
    }

    private ConfigMessage Free(in ConfigMessage message, ref ConfigMessage reply)
    {
        if (!TryFind(in message, out var instance, out _) || !instance.TryRemoveReference(message.ShmId, out var shared))
        {
            return Refused(ref reply, ConfigError.FreeFailed, NotHeld(in message));
        }

        objects.Drop(shared);
        return reply;
    }

    private ConfigMessage Export(in ConfigMessage message, ref ConfigMessage reply)
    {
        if (!TryFind(in message, out _, out var shared))
        {
            return Refused(ref reply, ConfigError.ExportFailed, NotHeld(in message));
        }

        objects.Export(shared);
        return reply;
    }

    private ConfigMessage Explain(in ConfigMessage message, ref ConfigMessage reply)
    {
        if (!TryFind(message.InstanceHandle, out var instance))
        {
            return Refused(ref reply, ConfigError.InstanceDestructionFailed, NoInstance(in message));
        }

        if (givesReasons)
        {
            reply.Reason = ReasonText.From(instance.Failure);
        }

        return reply;
    }

    private ConfigMessage Take(Instance instance, SharedObject shared, ref ConfigMessage reply, ConfigError error)
    {
        if (!instance.TryAddReference(shared))
        {
            objects.Drop(shared);
            return Refused(ref reply, error, $"instance {instance.Handle} holds object {shared.ShmId} already, or has ended");
        }

        reply.ShmId = shared.ShmId;
        reply.ShmOffset = shared.Offset;
        reply.ShmSize = shared.Size;
        return reply;
    }

    private bool TryFind(ulong handle, [NotNullWhen(true)] out Instance? instance)
    {
        using var held = lane.Enter();
        return held.Inside.Driver.TryFind(handle, out instance);
    }

    private bool TryFind(in ConfigMessage message, [NotNullWhen(true)] out Instance? instance, [NotNullWhen(true)] out SharedObject? shared)
    {
        shared = null;
        return TryFind(message.InstanceHandle, out instance) && instance.TryGetReference(message.ShmId, out shared);
    }

    private ConfigMessage Refused(ref ConfigMessage reply, ConfigError error, string reason)
    {
        counters.Add(Counter.ConfigErrors);
        if (error == ConfigError.BadRequest)
        {
            counters.Add(Counter.MessagesRejected);
        }

        if (guestLog.Allows(out var log))
        {
            // It can be the message of a device's exception.
            Log.ConfigRefused(log, reply.Operation, error, (reason.Length > MaxLogged ? reason[..MaxLogged] : reason).ReplaceLineEndings(" "));
        }

        reply.Error = error;
        if (givesReasons)
        {
            reply.Reason = ReasonText.From(reason);
        }

        return reply;
    }

    private static string NoInstance(in ConfigMessage message) => $"there is no instance {message.InstanceHandle}";

    private static string NotHeld(in ConfigMessage message) => $"instance {message.InstanceHandle} holds no object {message.ShmId}";
}
