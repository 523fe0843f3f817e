// Finds what the build put into the folders beside the tests' own.
using System.Reflection;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>Files of other projects, of the same configuration as the tests.</summary>
internal static class BuildOutput
{
    public static string Daemon => Find("VirtioUser.Daemon", "virtio-userd");

    public static IReadOnlyList<string> Devices =>
        [Find("TestDevice", "TestDevice.dll"), Find("VirtioUser.Devices.Gzip", "VirtioUser.Devices.Gzip.dll"), Find("VirtioUser.Devices.Digest", "VirtioUser.Devices.Digest.dll")];

    public static string Artifacts => Mine.Parent!.Parent!.Parent!.FullName;

    public static string Root { get; } =
        typeof(BuildOutput).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(each => each.Key == "RepositoryRoot").Value!;

    // artifacts/bin/PROJECT/CONFIGURATION
    private static DirectoryInfo Mine { get; } = new(AppContext.BaseDirectory.TrimEnd('/'));

    private static string Find(string project, string file) => Path.Combine(Mine.Parent!.Parent!.FullName, project, Mine.Name, file);
}
