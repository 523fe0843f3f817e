// The devices that the tests open: one that does what it is told, and its awkward relatives.
using TestDevice.Dependency;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace TestDevice;

/// <summary>See <see cref="TestDevices.Test"/>.</summary>
public sealed class OrdinaryDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(TestDevices.Vendor, TestDevices.Test, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new TestInstance(context);

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await Task.Yield(); // a host that does not wait is too early
        if (TestInstance.LastMark is { } mark)
        {
            await File.WriteAllTextAsync($"{mark}-device", $"ended after its instances: {File.Exists(mark)}").ConfigureAwait(false);
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>See <see cref="TestDevices.Failing"/>.</summary>
public sealed class FailingDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(TestDevices.Vendor, TestDevices.Failing, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) =>
        throw new InvalidOperationException("This device makes no instances.");
}

/// <summary>See <see cref="TestDevices.Slow"/>.</summary>
public sealed class SlowDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(TestDevices.Vendor, TestDevices.Slow, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context)
    {
        Gate.Wait(TestDevices.SlowCreateGate);
        return new SlowInstance(context);
    }

    private sealed class SlowInstance(InstanceContext context) : DeviceInstance
    {
        private readonly TestInstance _instance = new(context);

        public override uint OnPing(in Ping ping) => _instance.OnPing(ping);

        protected override void Dispose(bool disposing)
        {
            Gate.Wait(TestDevices.SlowDestroyGate);
            base.Dispose(disposing);
        }
    }
}

/// <summary>See <see cref="TestDevices.ManyVersions"/>.</summary>
public sealed class ManyVersionsDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(TestDevices.Vendor, TestDevices.ManyVersions, 4);

    /// <inheritdoc/>
    public override IReadOnlyList<uint> Versions => [2, 3, 4];

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new TestInstance(context);
}
