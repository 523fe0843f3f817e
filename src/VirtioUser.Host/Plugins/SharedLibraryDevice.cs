// A device whose code is a shared library.
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Memory;
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
    private readonly IPluginPlatform _platform;
    private readonly string _path;
    private ILogger? _logger;
    private PluginMemory? _memory;
    private PluginHolds? _holds;

    /// <summary>Finds the library's functions and introduces both sides to each other.</summary>
    /// <exception cref="DeviceLoadException">A function is missing, or the plug-in does not want to start.</exception>
    public SharedLibraryDevice(nint library, string path, IPluginPlatform platform)
    {
        (_path, _platform) = (path, platform);
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
    }

    /// <inheritdoc/>
    public override DeviceIdentity Identity { get; }

    /// <summary>The library's functions.</summary>
    public PluginExports Exports { get; }

    /// <summary>The device model exists: memory can be mapped and held from now on, and what was logged before has a place to go.</summary>
    public void Attach(ObjectTable objects, Func<ulong> arenaAddress, GuestLog guestLog, ILoggerFactory loggers)
    {
        var arena = new ArenaAddress(arenaAddress);
        Volatile.Write(ref _memory, new PluginMemory(_platform, Identity, objects, arena, guestLog));
        Volatile.Write(ref _holds, new PluginHolds(_platform, Identity, objects, arena, guestLog));
        var logger = loggers.CreateLogger(Path.GetFileName(_path));
        lock (_early)
        {
            _early.ForEach(line => Log.PluginSays(logger, line.Level, line.Text));
            _early.Clear();
            Volatile.Write(ref _logger, logger);
        }
    }

    /// <inheritdoc/>
    public override bool AcceptVersion(uint requested, out uint version)
    {
        if (Exports.AcceptVersion is null)
        {
            return base.AcceptVersion(requested, out version);
        }

        version = requested;
        return Exports.AcceptVersion(requested, ref version);
    }

    /// <inheritdoc/>
    [SuppressMessage("Reliability", "CA2000:Dispose objects before losing scope", Justification = "The caller owns the instance; one that the library refused holds nothing.")]
    public override DeviceInstance CreateInstance(InstanceContext context)
    {
        var instance = new SharedLibraryInstance(this, context);
        _instances[context.Handle] = instance;
        _memory?.BeginInstance(instance.Instance);
        if (Exports.Create(context.Handle))
        {
            return instance;
        }

        _memory?.EndInstance(context.Handle);
        _instances.TryRemove(context.Handle, out _);
        throw new InvalidOperationException($"on_create_instance of {_path} returned false.");
    }

    /// <summary>Ends an instance: its mappings first, then the library hears of it. Its holds are the caller's to end.</summary>
    public void Destroy(ulong handle)
    {
        _memory?.EndInstance(handle);
        Exports.Destroy(handle);
        _instances.TryRemove(handle, out _);
    }

    /// <summary><c>map</c></summary>
    public bool Map(ulong physicalAddress, nint hostPointer, ulong size) => Volatile.Read(ref _memory)?.Map(physicalAddress, hostPointer, size) ?? false;

    /// <summary><c>unmap</c></summary>
    public bool Unmap(ulong physicalAddress, ulong size) => Volatile.Read(ref _memory)?.Unmap(physicalAddress, size) ?? false;

    /// <summary><c>hold_memory</c></summary>
    public nint Hold(ulong handle, ulong physicalAddress, ulong size) =>
        Volatile.Read(ref _holds)?.Hold(handle, _instances.GetValueOrDefault(handle)?.Instance, physicalAddress, size) ?? 0;

    /// <summary><c>release_memory</c></summary>
    public bool Release(ulong handle, ulong physicalAddress, ulong size) =>
        Volatile.Read(ref _holds) is { } holds && _instances.TryGetValue(handle, out var instance) && holds.Release(instance.Instance, physicalAddress, size);

    /// <summary><c>raise_event</c></summary>
    public bool RaiseEvent(ulong handle, uint revents) => _instances.TryGetValue(handle, out var instance) && instance.Context.TrySendEvent(revents);

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

        Log.PluginSays(logger, level, text);
        return true;
    }
}
