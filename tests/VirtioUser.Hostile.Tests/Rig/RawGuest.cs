// A front-end with a guest whose memory and rings the case writes as it likes.
using System.Runtime.InteropServices;
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>Four raw rings in a memfd of 16 MiB, and the sound requests that show whether a ring still works.</summary>
internal sealed class RawGuest : IDisposable
{
    public const ulong FirstAddress = 0x10_0000, FirstUserAddress = 0x7000_0000_0000, Length = 16 << 20, ArenaAddress = 1UL << 40;

    private const ulong Mebibyte = 1 << 20;

    private readonly ulong _features;
    private readonly Mapping _mapping;
    private readonly ArenaChannel? _arena;
    private readonly bool _split;
    private bool _disposed;

    public RawGuest(Connection connection, ushort size, ulong features, bool arena, bool split, ushort first)
    {
        (Connection, _features, _split, First) = (connection, features, split, first);
        Memory = MemFd.Create("hostile-ram", Length);
        _mapping = Mapping.Map(Memory, 0, Length);
        Rings = [.. Enumerable.Range(0, Limits.QueueCount).Select(index =>
            new RawRing(this, index, size, FirstAddress + ((ulong)index * Mebibyte), FirstAddress + ((ulong)(4 + index) * Mebibyte)))];
        if (arena)
        {
            _arena = new ArenaChannel(connection);
        }
    }

    public Connection Connection { get; }

    public FileDescriptor Memory { get; }

    /// <summary>The index at which the rings begin.</summary>
    public ushort First { get; }

    public RawRing[] Rings { get; }

    public RawRing Requests => Rings[Limits.ConfigTxQueue];

    public RawRing Replies => Rings[Limits.ConfigRxQueue];

    public RawRing Pings => Rings[Limits.PingQueue];

    public RawRing Events => Rings[Limits.EventQueue];

    /// <summary>The arena as this front-end maps it.</summary>
    public Mapping Arena => _arena!.Await();

    /// <summary>The front-end's end of the back-end channel.</summary>
    public FileDescriptor Channel => _arena!.Descriptor;

    public FileDescriptor ArenaFile => _arena!.File;

    /// <summary>The guest's memory as the daemon is told it.</summary>
    public Region[] Regions => _split
        ? [new(FirstAddress, Length / 2, FirstUserAddress), new(FirstAddress + (Length / 2), Length / 2, FirstUserAddress + (Length / 2), Length / 2)]
        : [new(FirstAddress, Length, FirstUserAddress)];

    public static ulong User(ulong guest) => guest - FirstAddress + FirstUserAddress;

    public Span<byte> Bytes(ulong guest, int length) => _mapping.GetSpan(guest - FirstAddress, length);

    /// <summary>Tells everything and starts all rings.</summary>
    public RawGuest Start()
    {
        TellMemory(withArena: false);
        foreach (var ring in Rings)
        {
            ring.Reset();
            Tell(ring);
        }

        EnableAll();
        return this;
    }

    /// <summary>Enables all rings, and lists the arena when the daemon has asked to map it.</summary>
    public void EnableAll()
    {
        foreach (var ring in Rings)
        {
            Connection.Must(Request.SetVringEnable, Wire.U32((uint)ring.Index, 1));
        }

        if (_arena is not null)
        {
            _arena.Await();
            TellMemory(withArena: true);
        }
    }

    public void TellMemory(bool withArena)
    {
        var files = Regions.Select(_ => Memory);
        if (withArena)
        {
            Connection.Must(
                Request.SetMemTable,
                Wire.Table([.. Regions, new(ArenaAddress, _arena!.Await().Length, 0x7800_0000_0000)]), [.. files, _arena.File]);
        }
        else
        {
            Connection.Must(Request.SetMemTable, Wire.Table(Regions), [.. files]);
        }
    }

    /// <summary>Size, base, addresses and descriptors of a ring.</summary>
    public void Tell(RawRing ring)
    {
        var index = (uint)ring.Index;
        Connection.Must(Request.SetVringNum, Wire.U32(index, ring.Size));
        Connection.Must(Request.SetVringBase, Wire.U32(index, First));
        Connection.Must(Request.SetVringAddr, Address(ring));
        Connection.Must(Request.SetVringErr, Wire.U64(index), ring.Error.Descriptor);
        Connection.Must(Request.SetVringCall, Wire.U64(index), ring.Call.Descriptor);
        Connection.Must(Request.SetVringKick, Wire.U64(index), ring.Kick.Descriptor);
    }

    public static byte[] Address(RawRing ring) =>
        Wire.Address((uint)ring.Index, User(ring.Table), User(ring.Used), User(ring.Available));

    /// <summary>Offers a sound buffer for a reply.</summary>
    public void OfferReply()
    {
        Replies.Describe(0, Replies.Buffers, ConfigMessage.Size, RawRing.Write);
        Replies.Offer(0);
    }

    /// <summary>Offers a sound buffer for an event.</summary>
    public void OfferEvent()
    {
        Events.Describe(0, Events.Buffers, EventMessage.Size, RawRing.Write);
        Events.Offer(0);
    }

    /// <summary>Offers a sound request.</summary>
    public void OfferRequest(ConfigMessage message)
    {
        message.Write(Bytes(Requests.Buffers, ConfigMessage.Size));
        Requests.Describe(0, Requests.Buffers, ConfigMessage.Size);
        Requests.Offer(0);
    }

    public ConfigMessage TakeReply(string what)
    {
        Replies.AwaitUsed(0, what);
        return ConfigMessage.Read(Bytes(Replies.Buffers, ConfigMessage.Size));
    }

    /// <summary>A sound exchange on the config rings.</summary>
    public ConfigMessage Ask(ConfigMessage message)
    {
        OfferReply();
        OfferRequest(message);
        Requests.AwaitUsed(0, "a sound request");
        return TakeReply("the reply to a sound request");
    }

    public ConfigMessage Ask(ConfigOperation operation, ulong instance = 0, ulong id = 0, ulong size = 0) =>
        Ask(new ConfigMessage { Operation = operation, InstanceHandle = instance, ShmId = id, ShmSize = size });

    /// <summary>An instance of the test device, or of another one.</summary>
    public ulong Create(uint device = TestDevices.Test)
    {
        var request = new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = 1 };
        request.FirstDevice = new DeviceIdentity(TestDevices.Vendor, device, 1);
        var reply = Ask(request);
        return reply.Error == ConfigError.None ? reply.InstanceHandle : throw new HarmException($"A sound create: {reply.Error}.");
    }

    /// <summary>Offers pings, all with one kick.</summary>
    public void OfferPings(params PingMessage[] pings)
    {
        for (var i = 0; i < pings.Length; i++)
        {
            var buffer = Pings.Buffers + (64UL * (uint)i);
            MemoryMarshal.Write(Bytes(buffer, PingMessage.Size), pings[i]);
            Pings.Describe(i, buffer, PingMessage.Size);
        }

        Pings.Offer([.. Enumerable.Range(0, pings.Length).Select(i => (ushort)i)]);
    }

    /// <summary>A sound ping with its answer.</summary>
    public uint Ping(PingMessage ping)
    {
        OfferEvent();
        OfferPings(ping);
        Events.AwaitUsed(0, "the answer to a ping");
        Pings.AwaitUsed(0, "a ping comes back");
        return MemoryMarshal.Read<EventMessage>(Bytes(Events.Buffers, EventMessage.Size)).Revents;
    }

    public static PingMessage Echo(ulong instance, ulong argument = 7, uint events = 1) => new()
    {
        InstanceHandle = instance,
        Metadata = TestDevices.Metadata(TestOperation.Echo, argument),
        Events = events,
    };

    /// <summary>Shows that all four rings still work.</summary>
    public void AssertGoesOn(ulong instance)
    {
        if (Ask(ConfigOperation.EnumerateDevices).Error != ConfigError.None)
        {
            throw new HarmException("A sound request was refused afterwards.");
        }

        if (Ping(Echo(instance)) != 7)
        {
            throw new HarmException("A sound ping had a wrong answer afterwards.");
        }
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        Connection.Dispose();
        _arena?.Dispose();
        foreach (var ring in Rings)
        {
            ring.Dispose();
        }

        _mapping.Dispose();
        Memory.Dispose();
    }
}
