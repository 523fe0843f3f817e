// An instance of a device whose code is a shared library.
using System.Runtime.InteropServices;
using VirtioUser.Devices;
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Plugins;

/// <summary>Passes pings on.</summary>
internal sealed class SharedLibraryInstance(SharedLibraryDevice device, InstanceContext context) : DeviceInstance
{
    private readonly PluginExports _exports = device.Exports;
    private readonly ulong _handle = context.Handle;
    private nint _data;

    /// <summary>What the instance can ask of the host.</summary>
    public InstanceContext Context => context;

    /// <summary>The instance itself.</summary>
    public Instance Instance { get; } = ((HostInstanceContext)context).Instance;

    /// <summary>The plug-in's own pointer. Any thread.</summary>
    public nint Data
    {
        get => Volatile.Read(ref _data);
        set => Volatile.Write(ref _data, value);
    }

    /// <inheritdoc/>
    public override uint OnPing(in Ping ping)
    {
        // The arena is mapped for good, so its address can be handed on; a ping without bytes gives a null pointer.
        ref var bytes = ref MemoryMarshal.GetReference(ping.Slice(0, ping.Length == 0 ? 0 : 1));
        return _exports.PingSized is { } sized
            ? sized(_handle, ping.Metadata, ping.PhysicalAddress, ref bytes, ping.Length, ping.Events)
            : _exports.Ping(_handle, ping.Metadata, ping.PhysicalAddress, ref bytes, ping.Events);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        device.Destroy(_handle);
        base.Dispose(disposing);
    }
}
