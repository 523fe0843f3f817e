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

    /// <summary>From a requested version to the one that the instance has; null refuses.</summary>
    public Func<uint, uint?>? Negotiate { get; init; }

    public override DeviceIdentity Identity => Is;

    public override bool AcceptVersion(uint requested, out uint version)
    {
        if (Negotiate is null)
        {
            return base.AcceptVersion(requested, out version);
        }

        var accepted = Negotiate(requested);
        version = accepted ?? 0;
        return accepted is not null;
    }

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
