// Finds what the build put into the folders beside the tests' own.
using System.Reflection;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>Files of other projects, of the same configuration as the tests.</summary>
internal static class BuildOutput
{
    public static string Daemon => Find("VirtioUser.Daemon", "virtio-userd");

    public static string TestDevice => Find("TestDevice", "TestDevice.dll");

    public static string SecondDevice => Find("TestDevice.Second", "TestDevice.Second.dll");

    public static string Digest => Find("VirtioUser.Devices.Digest", "VirtioUser.Devices.Digest.dll");

    public static string Gzip => Find("VirtioUser.Devices.Gzip", "VirtioUser.Devices.Gzip.dll");

    public static string Reverse => Find("Reverse", "Reverse.dll");

    public static string ReverseGuest => Find("ReverseGuest", "ReverseGuest.dll");

    /// <summary>The folder of the project of <see cref="Reverse"/>.</summary>
    public static string ReverseProject { get; } =
        typeof(BuildOutput).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(each => each.Key == "ReverseProject").Value!;

    public static string Configuration => Mine.Name;

    public static string Artifacts => Mine.Parent!.Parent!.Parent!.FullName;

    // artifacts/bin/PROJECT/CONFIGURATION
    private static DirectoryInfo Mine { get; } = new(AppContext.BaseDirectory.TrimEnd('/'));

    private static string Find(string project, string file) => Path.Combine(Mine.Parent!.Parent!.FullName, project, Mine.Name, file);
}
