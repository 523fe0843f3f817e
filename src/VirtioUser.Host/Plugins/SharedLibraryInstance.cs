// An instance of a device whose code is a shared library.
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Plugins;

/// <summary>Passes pings on.</summary>
internal sealed class SharedLibraryInstance : DeviceInstance
{
    [ThreadStatic]
    private static SharedLibraryInstance? s_current;

    private readonly SharedLibraryDevice _device;
    private readonly PluginExports _exports;
    private readonly PluginVm _vm;
    private ILogger? _log;
    private nint _data;

    /// <summary>Makes the host's side; the library has not heard of it.</summary>
    /// <exception cref="InvalidOperationException">The host has no memory for shared libraries.</exception>
    public SharedLibraryInstance(SharedLibraryDevice device, HostInstanceContext context)
    {
        (_device, _exports, Context, Instance) = (device, device.Exports, context, context.Instance);
        _vm = context.Plugins ?? throw new InvalidOperationException("This host runs no shared libraries.");
        (Memory, Holds) = _vm.Of(device);
    }

    /// <summary>The instance in one of whose callbacks this thread is.</summary>
    public static SharedLibraryInstance? Current => s_current;

    /// <summary>What the instance can ask of the host. Its handle is the library's name for the instance.</summary>
    public InstanceContext Context { get; }

    /// <summary>The instance itself.</summary>
    public Instance Instance { get; }

    /// <summary>What the library has mapped for this VM.</summary>
    public PluginMemory Memory { get; }

    /// <summary>What the library holds for this VM.</summary>
    public PluginHolds Holds { get; }

    /// <summary>The plug-in's own pointer. Any thread.</summary>
    public nint Data
    {
        get => Volatile.Read(ref _data);
        set => Volatile.Write(ref _data, value);
    }

    /// <summary>The library's log, out of the budget of this VM.</summary>
    /// <param name="logger">The library's log.</param>
    public ILogger LimitedLog(ILogger logger) => _log ??= _vm.GuestLog.For(logger);

    /// <summary>Lets the library make its side.</summary>
    /// <returns>What it returned.</returns>
    public bool Create()
    {
        var before = s_current;
        s_current = this;
        try
        {
            return _exports.Create(Context.Handle);
        }
        finally
        {
            s_current = before;
        }
    }

    /// <inheritdoc/>
    public override uint OnPing(in Ping ping)
    {
        var before = s_current;
        s_current = this;
        try
        {
            // The arena stays mapped as long as the callback runs, so its address can be handed on; a ping without bytes gives a null pointer.
            ref var bytes = ref MemoryMarshal.GetReference(ping.Slice(0, ping.Length == 0 ? 0 : 1));
            return _exports.PingSized is { } sized
                ? sized(Context.Handle, ping.Metadata, ping.PhysicalAddress, ref bytes, ping.Length, ping.Events)
                : _exports.Ping(Context.Handle, ping.Metadata, ping.PhysicalAddress, ref bytes, ping.Events);
        }
        finally
        {
            s_current = before;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        var before = s_current;
        s_current = this;
        try
        {
            _device.Destroy(this);
        }
        finally
        {
            s_current = before;
            base.Dispose(disposing);
        }
    }
}
