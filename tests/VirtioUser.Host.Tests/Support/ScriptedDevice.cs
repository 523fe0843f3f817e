// A device whose callbacks a test writes where it needs them.
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Support;

internal delegate uint PingCallback(in Ping ping);

/// <summary>Vendor 5655, device 1, version 1, unless told otherwise.</summary>
internal sealed class ScriptedDevice(Func<InstanceContext, DeviceInstance?> create) : Device
{
    public static readonly DeviceIdentity Default = new(0x5655, 1, 1);

    public ScriptedDevice(PingCallback onPing)
        : this(_ => new ScriptedInstance(onPing))
    {
    }

    public DeviceIdentity Is { get; init; } = Default;

    /// <summary>The versions that it accepts; null is the one that it is.</summary>
    public IReadOnlyList<uint>? Accepts { get; init; }

    public override DeviceIdentity Identity => Is;

    public override IReadOnlyList<uint> Versions => Accepts ?? base.Versions;

    public override DeviceInstance CreateInstance(InstanceContext context) => create(context)!;
}

/// <summary>An instance made of two callbacks.</summary>
internal sealed class ScriptedInstance(PingCallback onPing, Action? onDispose = null) : DeviceInstance
{
    public override uint OnPing(in Ping ping) => onPing(in ping);

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        onDispose?.Invoke();
    }
}
