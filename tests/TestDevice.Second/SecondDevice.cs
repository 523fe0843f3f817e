// The same device from another assembly, whose private dependency has another version.
using TestDevice.Dependency;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace TestDevice.Second;

/// <summary>See <see cref="TestDevices.Second"/>.</summary>
public sealed class SecondDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(TestDevices.Vendor, TestDevices.Second, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new TestInstance(context);
}
