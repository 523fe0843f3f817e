// A device whose code is a shared library.
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Instances;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Plugins;

/// <summary>
/// Turns the calls of the device model into those of the C interface, and back. No lock is held while the library runs, so
/// it may call back, and be called again for another instance meanwhile.
/// </summary>
internal sealed class SharedLibraryDevice : Device
{
    private readonly ConcurrentDictionary<ulong, SharedLibraryInstance> _instances = new();
    private readonly List<(LogLevel Level, string Text)> _early = [];
    private readonly PluginHost _host;
    private readonly string _path;

    // Of all VMs that have instances or mappings, the newest last. Guarded by itself.
    private readonly List<PluginMemory> _memories = [];
    private ILogger? _logger;

    /// <summary>Finds the library's functions and introduces both sides to each other.</summary>
    /// <exception cref="DeviceLoadException">A function is missing, or the plug-in does not want to start.</exception>
    public SharedLibraryDevice(nint library, string path)
    {
        _path = path;
        Exports = new PluginExports(library, path);
        _host = new PluginHost(this);
        Exports.RegisterMapping(_host.Map, _host.Unmap);
        if (Exports.Initialize?.Invoke(_host.Structure) == false)
        {
            var said = string.Join("; ", _early.Select(line => line.Text));
            throw new DeviceLoadException($"virtio_user_plugin_init of {path} returned false{(said.Length > 0 ? ": " : "")}{said}.");
        }

        Exports.GetDeviceInfo(out var vendor, out var device, out var version);
        Identity = new DeviceIdentity(vendor, device, version);
        Versions = ReadVersions();
    }

    /// <inheritdoc/>
    public override DeviceIdentity Identity { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<uint> Versions { get; }

    /// <summary>The library's functions.</summary>
    public PluginExports Exports { get; }

    /// <summary>There is a log: what was logged before goes there now.</summary>
    /// <param name="loggers">Makes the log.</param>
    /// <param name="limit">Puts a bound on lines that the library writes outside of its callbacks.</param>
    public void AttachLog(ILoggerFactory loggers, Func<ILogger, ILogger> limit)
    {
        var logger = loggers.CreateLogger(Path.GetFileName(_path));
        lock (_early)
        {
            _early.ForEach(line => Log.PluginSays(logger, line.Level, line.Text));
            _early.Clear();
            Volatile.Write(ref _logger, limit(logger));
        }
    }

    /// <inheritdoc/>
    [SuppressMessage("Reliability", "CA2000:Dispose objects before losing scope", Justification = "The caller owns the instance; one that the library refused holds nothing.")]
    public override DeviceInstance CreateInstance(InstanceContext context)
    {
        // Of versions that are listed one by one there is nothing to choose, but a library may have a reason not to take this one.
        var accepted = context.Identity.Version;
        if (Exports.AcceptVersion?.Invoke(context.Identity.Version, ref accepted) == false || accepted != context.Identity.Version)
        {
            throw new InvalidOperationException($"on_accept_version of {Path.GetFileName(_path)} refused version {context.Identity.Version}.");
        }

        var instance = new SharedLibraryInstance(this, (HostInstanceContext)context);
        _instances[context.Handle] = instance;
        Begin(instance);
        if (instance.Create())
        {
            return instance;
        }

        EndMappings(instance);
        Forget(instance);
        throw new InvalidOperationException($"on_create_instance of {Path.GetFileName(_path)} returned false.");
    }

    /// <summary>Ends the mappings of an instance, before the library hears of its end.</summary>
    public void EndMappings(SharedLibraryInstance instance)
    {
        instance.Memory.EndInstance(instance.Instance.Handle);
        lock (_memories)
        {
            if (instance.Memory.IsUnused)
            {
                _memories.Remove(instance.Memory);
            }
        }
    }

    /// <summary>An instance has ended for the library: its handle is nobody's. Its holds are the caller's to end.</summary>
    public void Forget(SharedLibraryInstance instance) => _instances.TryRemove(instance.Context.Handle, out _);

    /// <summary><c>map</c></summary>
    public bool Map(ulong physicalAddress, nint hostPointer, ulong size)
    {
        var memory = Choose(each => each.HasObject(physicalAddress, size), isNew: true, out var why);
        if (memory is null && why is not null)
        {
            Log.MapRefused(DeviceLog, Identity, size, (ulong)hostPointer, physicalAddress, why);
        }

        return memory?.Map(physicalAddress, hostPointer, size) ?? false;
    }

    /// <summary><c>unmap</c></summary>
    public bool Unmap(ulong physicalAddress, ulong size)
    {
        var memory = Choose(each => each.HasMapping(physicalAddress, size), isNew: false, out var why);
        if (memory is null && why is not null)
        {
            Log.UnmapRefused(DeviceLog, Identity, size, physicalAddress, why);
        }

        return memory?.Unmap(physicalAddress, size) ?? false;
    }

    /// <summary><c>hold_memory</c></summary>
    public nint Hold(ulong handle, ulong physicalAddress, ulong size)
    {
        if (_instances.TryGetValue(handle, out var instance))
        {
            return instance.Holds.Hold(instance.Instance.Handle, instance.Instance, physicalAddress, size);
        }

        Log.HoldRefused(DeviceLog, Identity, size, physicalAddress, handle, "there is no such instance");
        return 0;
    }

    /// <summary><c>release_memory</c></summary>
    public bool Release(ulong handle, ulong physicalAddress, ulong size) =>
        _instances.TryGetValue(handle, out var instance) && instance.Holds.Release(instance.Instance, physicalAddress, size);

    /// <summary><c>raise_event</c></summary>
    public bool RaiseEvent(ulong handle, uint revents) => _instances.TryGetValue(handle, out var instance) && instance.Context.TrySendEvent(revents);

    /// <summary><c>complete_ping</c></summary>
    public bool CompletePing(ulong handle, ulong ping, uint revents) =>
        _instances.TryGetValue(handle, out var instance) && instance.TryCompletePing(ping, revents, failure: null);

    /// <summary><c>fail_ping</c></summary>
    public bool FailPing(ulong handle, ulong ping, uint code) =>
        code <= PingException.MaxCode && _instances.TryGetValue(handle, out var instance) && instance.TryCompletePing(ping, revents: 0, (int)code);

    /// <summary><c>complete_destroy</c></summary>
    public bool CompleteDestroy(ulong handle)
    {
        // Who takes it out is the one that completes it; afterwards there is no such instance.
        if (!_instances.TryGetValue(handle, out var instance) || !instance.IsEnding || !_instances.TryRemove(handle, out _))
        {
            return false;
        }

        instance.CompleteEnd();
        return true;
    }

    /// <summary><c>set_instance_data</c></summary>
    public bool SetInstanceData(ulong handle, nint data)
    {
        if (!_instances.TryGetValue(handle, out var instance))
        {
            return false;
        }

        instance.Data = data;
        return true;
    }

    /// <summary><c>get_instance_data</c></summary>
    public nint GetInstanceData(ulong handle) => _instances.TryGetValue(handle, out var instance) ? instance.Data : 0;

    /// <summary><c>get_instance_version</c></summary>
    public uint GetInstanceVersion(ulong handle) => _instances.TryGetValue(handle, out var instance) ? instance.Context.Identity.Version : 0;

    /// <summary><c>log</c></summary>
    public bool WriteLog(LogLevel level, nint bytes)
    {
        var text = Marshal.PtrToStringUTF8(bytes) ?? "";
        level = (LogLevel)Math.Clamp((int)level, (int)LogLevel.Trace, (int)LogLevel.Critical);
        var logger = Volatile.Read(ref _logger);
        if (logger is null)
        {
            lock (_early)
            {
                logger = _logger;
                if (logger is null)
                {
                    _early.Add((level, text));
                    return true;
                }
            }
        }

        logger = SharedLibraryInstance.Current?.LimitedLog(logger) ?? logger;
        Log.PluginSays(logger, level, text);
        return true;
    }

    // No instance can be there before the log.
    private ILogger DeviceLog => Volatile.Read(ref _logger) ?? Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;

    private IReadOnlyList<uint> ReadVersions()
    {
        if (Exports.GetVersions is null)
        {
            return base.Versions;
        }

        var versions = new uint[Limits.MaxDevices];
        var count = Exports.GetVersions(ref versions[0], (uint)versions.Length);
        return count <= versions.Length
            ? versions[..(int)count]
            : throw new DeviceLoadException($"get_device_versions of {_path} returned {count}; there was room for {versions.Length}.");
    }

    private void Begin(SharedLibraryInstance instance)
    {
        lock (_memories)
        {
            if (!_memories.Contains(instance.Memory))
            {
                _memories.Add(instance.Memory);
            }

            instance.Memory.BeginInstance(instance.Instance);
        }
    }

    /// <summary>
    /// Whose memory the library means by a guest-physical address: in a callback that of its VM, on another thread that of the only
    /// VM that has something there.
    /// </summary>
    /// <param name="has">Whether a VM has something there.</param>
    /// <param name="isNew">Whether a callback can only mean its own VM: nothing of others is mapped by it.</param>
    /// <param name="why">Why it can not be told.</param>
    private PluginMemory? Choose(Predicate<PluginMemory> has, bool isNew, out string? why)
    {
        why = null;
        if (SharedLibraryInstance.Current is { } current && (isNew || has(current.Memory)))
        {
            return current.Memory;
        }

        List<PluginMemory> all;
        lock (_memories)
        {
            all = [.. _memories];
        }

        if (all.Count <= 1)
        {
            return all.Count == 0 ? null : all[0];
        }

        var found = all.FindAll(has);
        why = found.Count > 1 ? "several VMs have memory there: call from a callback" : null;
        return found.Count > 1 ? null : found.Count == 1 ? found[0] : all[^1];
    }
}
