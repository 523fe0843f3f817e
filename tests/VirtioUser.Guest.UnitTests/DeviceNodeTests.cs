// Finding a device by vendor, device and range of versions.
using Virtio.Linux;
using Xunit;

namespace VirtioUser.Guest.UnitTests;

public sealed class DeviceNodeTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory().FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Nodes_are_listed_by_identity_and_other_files_are_not()
    {
        Make("5655:0002:01", "5655:0001:0a", "5655:0001:02", "readme", "5655:0001");

        Assert.Equal(["5655:0001:02", "5655:0001:0a", "5655:0002:01"], new DriverSource(_directory).List().Select(node => node.Identity.ToString()));
    }

    [Theory]
    [InlineData(0, uint.MaxValue, 10)]
    [InlineData(0, 9, 2)]
    [InlineData(1, 2, 2)]
    [InlineData(3, 10, 10)]
    public void The_newest_version_that_fits_is_found(uint minimum, uint maximum, uint expected)
    {
        Make("5655:0001:01", "5655:0001:02", "5655:0001:0a", "5655:0002:09");

        Assert.Equal(expected, DeviceNode.Find(0x5655, 1, minimum, maximum, new DriverSource(_directory)).Identity.Version);
    }

    [Fact]
    public void A_version_that_is_not_there_is_an_error_that_lists_what_is()
    {
        Make("5655:0001:01");

        var exception = Assert.Throws<VirtioUserException>(() => DeviceNode.Find(0x5655, 1, 2, 3, new DriverSource(_directory)));
        Assert.Equal(Errno.ENOTSUP, exception.Errno);
        Assert.EndsWith("the program speaks versions from 2 to 3, the host has only 1", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10u, 10u, 1u)]
    [InlineData(2u, 3u, 2u, 1u)]
    [InlineData(1u, 1u, 9u, 11u)]
    public void The_newest_version_that_both_sides_speak_is_found(uint expected, params uint[] spoken)
    {
        Make("5655:0001:01", "5655:0001:02", "5655:0001:0a", "5655:0002:09");

        Assert.Equal(expected, DeviceNode.Find(0x5655, 1, spoken, new DriverSource(_directory)).Identity.Version);
    }

    [Theory]
    [InlineData("5655:0001: open: the program speaks versions 3, 9, the host has only 1, 2, 10", 1u, 3u, 9u)]
    [InlineData("5655:0001: open: the program speaks versions , the host has only 1, 2, 10", 1u)]
    public void Where_no_version_is_shared_both_lists_are_named(string message, uint device, params uint[] spoken)
    {
        Make("5655:0001:01", "5655:0001:02", "5655:0001:0a", "5655:0002:09");

        var exception = Assert.Throws<VirtioUserException>(() => DeviceNode.Find(0x5655, device, spoken, new DriverSource(_directory)));

        Assert.Equal((Errno.ENOTSUP, message), (exception.Errno, exception.Message));
    }

    [Fact]
    public void A_device_that_is_not_there_is_ENOENT_whatever_the_versions()
    {
        Make("5655:0001:01");

        var exception = Assert.Throws<VirtioUserException>(() => DeviceNode.Find(0x5655, 2, [1], new DriverSource(_directory)));

        Assert.Equal(Errno.ENOENT, exception.Errno);
        Assert.Contains("only 5655:0001:01", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_the_driver_there_are_no_devices_and_the_error_says_so()
    {
        var missing = Path.Combine(_directory, "missing");

        Assert.Empty(new DriverSource(missing).List());
        Assert.Contains("not loaded", Assert.Throws<VirtioUserException>(() => DeviceNode.Find(1, 1, 1, 1, new DriverSource(missing))).Message, StringComparison.Ordinal);
    }

    private void Make(params string[] names)
    {
        foreach (var name in names)
        {
            File.WriteAllText(Path.Combine(_directory, name), "");
        }
    }
}
