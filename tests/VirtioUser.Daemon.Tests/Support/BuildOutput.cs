// Finds what the build put into the folders beside the tests' own.
namespace VirtioUser.Daemon.Tests.Support;

/// <summary>Files of other projects, of the same configuration as the tests.</summary>
internal static class BuildOutput
{
    public static string Daemon => Find("VirtioUser.Daemon", "virtio-userd");

    public static string TestDevice => Find("TestDevice", "TestDevice.dll");

    public static string SecondDevice => Find("TestDevice.Second", "TestDevice.Second.dll");

    public static string Digest => Find("VirtioUser.Devices.Digest", "VirtioUser.Devices.Digest.dll");

    public static string Gzip => Find("VirtioUser.Devices.Gzip", "VirtioUser.Devices.Gzip.dll");

    private static string Find(string project, string file)
    {
        var mine = new DirectoryInfo(AppContext.BaseDirectory); // bin/PROJECT/CONFIGURATION
        return Path.Combine(mine.Parent!.Parent!.FullName, project, mine.Name, file);
    }
}
