// Devices as shared libraries, built for the tests.
using System.Diagnostics;
using VirtioUser.Vm;

namespace NativeDevice;

/// <summary>Builds what stands in tests/NativeDevice: in C by the compiler of Debian 12's tree, in C++ by the host's, if it has one.</summary>
internal static class NativeDevices
{
    private static readonly Dictionary<string, string[]> Products = new()
    {
        [Library("test_device")] = Arguments("test_device.c"),
        [Library("test_device_in_c")] = Arguments("test_device.c", "-DDEVICE=0x7e5e"),
        [Library("mapping_device")] = Arguments("mapping_device.c"),
        [Library("holding_device")] = Arguments("holding_device.c"),
        [Library("answering_device")] = Arguments("answering_device.c"),
        [Library("first_device")] = Arguments("first_device.c"),
        [Library("missing_functions")] = Arguments("missing_functions.c"),
        [Library("mute_device")] = Arguments("unwilling_device.c", "-DMUTE"),
        [Library("unwilling_device")] = Arguments("unwilling_device.c"),
        [Library("unbound_device")] = Arguments("unwilling_device.c", "-DUNBOUND"),
        [Library("reverse")] = Arguments("reverse.c"),
        [Library("delay")] = Arguments("delay.c"),
    };

    private static readonly Lazy<Task<string>> Folder = new(() => NativeBuild.GetAsync("test-devices", Sources, Products));

    private static readonly Lazy<Task<string?>> Cpp = new(BuildCppAsync);

    private static string[] Sources =>
    [
        Path.Combine(ProjectFolders.Root, "plugins", "include", "virtio_user_plugin.h"),
        Path.Combine(ProjectFolders.Root, "docs", "examples", "ReverseC", "reverse.c"),
        Path.Combine(ProjectFolders.Root, "docs", "examples", "DelayC", "delay.c"),
        .. Directory.EnumerateFiles(Source, "*.c").Order(StringComparer.Ordinal),
    ];

    private static string Source => Path.Combine(ProjectFolders.Root, "tests", "NativeDevice");

    /// <summary>Those that stand beside the devices in C# where the guest's test program runs: TestDevices tells their numbers.</summary>
    public static async Task<string[]> GetForGuestAsync() =>
        [await GetAsync("test_device_in_c"), await GetAsync("mapping_device"), await GetAsync("holding_device")];

    /// <summary>The library that is made of one of the C files.</summary>
    public static async Task<string> GetAsync(string name) => Path.Combine(await Folder.Value, Library(name));

    /// <summary>The test device in C++, or null where there is no compiler for it.</summary>
    public static Task<string?> GetCppAsync() => Cpp.Value;

    private static string Library(string name) => $"lib{name}.so";

    private static string[] Arguments(params string[] more) => ["-shared", "-fPIC", "-pthread", .. more];

    private static async Task<string?> BuildCppAsync()
    {
        var folders = Environment.GetEnvironmentVariable("PATH")?.Split(':') ?? [];
        if (!folders.Any(folder => File.Exists(Path.Combine(folder, "g++"))))
        {
            return null;
        }

        var library = Path.Combine(AppContext.BaseDirectory, "libtest_device_cpp.so");
        string[] words =
        [
            "-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", .. Arguments($"-I{Path.GetDirectoryName(Sources[0])}"), "-o", library,
            Path.Combine(Source, "test_device.cpp"),
        ];
        using var compiler = Process.Start(new ProcessStartInfo("g++", words) { RedirectStandardError = true })!;
        var said = await compiler.StandardError.ReadToEndAsync();
        await compiler.WaitForExitAsync();
        return compiler.ExitCode == 0 ? library : throw new InvalidOperationException($"test_device.cpp does not build cleanly:\n{said}");
    }
}
