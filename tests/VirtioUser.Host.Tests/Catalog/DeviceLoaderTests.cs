// Devices from assemblies.
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using TestDevice.Dependency;
using VirtioUser.Devices;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Catalog;

public class DeviceLoaderTests
{
    [Fact]
    public void Each_public_device_of_an_assembly_is_made()
    {
        var entries = DeviceLoader.Load(Assembly("TestDevice"));

        Assert.Equal(
            [TestDevices.Test, TestDevices.Failing, TestDevices.Slow, TestDevices.ManyVersions],
            entries.Select(entry => entry.Identity.Device).Order());
        Assert.All(entries, entry => Assert.Equal(Assembly("TestDevice"), entry.Source));
    }

    [Fact]
    public void Two_assemblies_get_each_its_own_version_of_a_dependency()
    {
        var devices = DeviceLoader.Load(Assembly("TestDevice")).Concat(DeviceLoader.Load(Assembly("TestDevice.Second"))).Select(entry => entry.Device).ToList();
        using var host = new TestHost(devices);
        var ask = TestDevices.Metadata(TestOperation.DependencyVersion);
        var first = host.Open(new DeviceIdentity(TestDevices.Vendor, TestDevices.Test, 1));
        var second = host.Open(new DeviceIdentity(TestDevices.Vendor, TestDevices.Second, 1));

        host.Ping(first, ask, events: 1);
        host.Ping(second, ask, events: 1);

        Assert.Equal([1u], host.Events.WaitFor(first, 1));
        Assert.Equal([2u], host.Events.WaitFor(second, 1));
        Assert.DoesNotContain(AssemblyLoadContext.Default, devices.Select(device => AssemblyLoadContext.GetLoadContext(device.GetType().Assembly)));
    }

    [Fact]
    public void A_file_that_is_not_there_is_named() =>
        Assert.Contains("/no/such/device.dll", Assert.Throws<DeviceLoadException>(() => DeviceLoader.Load("/no/such/device.dll")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_no_assembly_is_refused()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "not an assembly");
            Assert.Contains("not a .NET assembly", Assert.Throws<DeviceLoadException>(() => DeviceLoader.Load(path)).Message, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_shared_library_is_refused_by_a_host_that_loads_none()
    {
        var library = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "libSystem.Native.so");

        Assert.Contains("libSystem.Native.so is a shared library", Assert.Throws<DeviceLoadException>(() => DeviceLoader.Load(library)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_assembly_without_a_device_is_refused() =>
        Assert.Contains("no public class", Assert.Throws<DeviceLoadException>(() => DeviceLoader.Load(typeof(PingMessage).Assembly.Location)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_constructor_that_throws_is_told_with_its_message() =>
        Assert.Contains(AwkwardDevice.Reason, Assert.Throws<DeviceLoadException>(() => DeviceLoader.Load(typeof(AwkwardDevice).Assembly.Location)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_pair_that_stands_twice_is_refused()
    {
        var entry = new CatalogEntry(new ScriptedDevice((in _) => 0), "one.dll");
        var again = new CatalogEntry(new ScriptedDevice((in _) => 0) { Is = ScriptedDevice.Default with { Version = 2 } }, "two.dll");

        var message = Assert.Throws<DeviceLoadException>(() => new DeviceCatalog([entry, again])).Message;

        Assert.Contains("one.dll", message, StringComparison.Ordinal);
        Assert.Contains("two.dll", message, StringComparison.Ordinal);
    }

    [Fact]
    public void More_than_4096_devices_are_refused()
    {
        var entries = Enumerable.Range(0, 4097).Select(id => new CatalogEntry(new ScriptedDevice((in _) => 0) { Is = new(1, (uint)id, 1) }, "many.dll"));

        Assert.Throws<DeviceLoadException>(() => new DeviceCatalog(entries));
        Assert.Equal(4096, new DeviceCatalog(entries.Take(4096)).Entries.Count);
    }

    // The test devices stand beside this assembly, each in its own folder: bin/PROJECT/CONFIGURATION.
    private static string Assembly(string name)
    {
        var mine = new DirectoryInfo(AppContext.BaseDirectory);
        return Path.Combine(mine.Parent!.Parent!.FullName, name, mine.Name, name + ".dll");
    }
}

/// <summary>Found when this assembly is loaded as if it were a device's.</summary>
public sealed class AwkwardDevice : Device
{
    public const string Reason = "this one never wants to be made";

    public AwkwardDevice() => throw new InvalidOperationException(Reason);

    public override DeviceIdentity Identity => default;

    public override DeviceInstance CreateInstance(InstanceContext context) => throw new InvalidOperationException(Reason);
}

/// <summary>Not a device that can be made: its kind is open.</summary>
/// <typeparam name="T">Anything.</typeparam>
public sealed class OpenDevice<T> : Device
{
    public override DeviceIdentity Identity => default;

    public override DeviceInstance CreateInstance(InstanceContext context) => throw new InvalidOperationException();
}
