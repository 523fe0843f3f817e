// The device of README.md: turns bytes around where they lie.
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace Examples;

/// <summary>Device 1234:0001, version 1.</summary>
public sealed class ReverseDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(0x1234, 0x0001, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance();

    private sealed class Instance : DeviceInstance
    {
        public override uint OnPing(in Ping ping)
        {
            ping.Bytes.Reverse();
            return 1;
        }
    }
}
