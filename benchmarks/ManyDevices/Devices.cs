// 27 devices: with the 5 of EchoDevice as many as a daemon can have.
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace VirtioUser.Benchmarks;

/// <summary>Answers with the low bits of the metadata, under a number of its own.</summary>
/// <param name="number">The device ID.</param>
public abstract class NumberedDevice(uint number) : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(BenchmarkDevices.Vendor, number, BenchmarkDevices.Version);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance();

    private sealed class Instance : DeviceInstance
    {
        public override uint OnPing(in Ping ping) => (uint)ping.Metadata;
    }
}

public sealed class Device05() : NumberedDevice(5);
public sealed class Device06() : NumberedDevice(6);
public sealed class Device07() : NumberedDevice(7);
public sealed class Device08() : NumberedDevice(8);
public sealed class Device09() : NumberedDevice(9);
public sealed class Device10() : NumberedDevice(10);
public sealed class Device11() : NumberedDevice(11);
public sealed class Device12() : NumberedDevice(12);
public sealed class Device13() : NumberedDevice(13);
public sealed class Device14() : NumberedDevice(14);
public sealed class Device15() : NumberedDevice(15);
public sealed class Device16() : NumberedDevice(16);
public sealed class Device17() : NumberedDevice(17);
public sealed class Device18() : NumberedDevice(18);
public sealed class Device19() : NumberedDevice(19);
public sealed class Device20() : NumberedDevice(20);
public sealed class Device21() : NumberedDevice(21);
public sealed class Device22() : NumberedDevice(22);
public sealed class Device23() : NumberedDevice(23);
public sealed class Device24() : NumberedDevice(24);
public sealed class Device25() : NumberedDevice(25);
public sealed class Device26() : NumberedDevice(26);
public sealed class Device27() : NumberedDevice(27);
public sealed class Device28() : NumberedDevice(28);
public sealed class Device29() : NumberedDevice(29);
public sealed class Device30() : NumberedDevice(30);
public sealed class Device31() : NumberedDevice(31);
