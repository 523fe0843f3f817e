namespace VirtioUser.Vm;

/// <summary>
/// The guest's file system and at the same time the place where things for the guest are built: a Debian release with
/// its stock kernel, the kernel's headers, and a compiler.
/// </summary>
/// <param name="Folder">The tree, on the host.</param>
/// <param name="KernelRelease">The stock kernel's release, as <c>uname -r</c> says it.</param>
public sealed record GuestTree(string Folder, string KernelRelease)
{
    private static readonly string[] CommonPackages =
    [
        "linux-image-amd64", "linux-headers-amd64", // the stock kernel
        "gcc", "libc6-dev", "make", "sparse", "perl", "xz-utils", "zstd", // builds and checks the driver
        "busybox-static", "kmod", "bash", "coreutils", "gzip", "grep", "sed", "findutils", "diffutils", "mawk", "dash", "util-linux", // the guest's tools
        "libstdc++6", "zlib1g", // .NET's runtime
    ];

    private static readonly string[] Unwanted =
    [
        "/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info", "/usr/share/lintian", "/usr/lib/udev/hwdb.d",
        "/var/cache", "/var/lib/apt",
    ];

    // Modules for hardware that the VM does not have make the tree three times as large.
    private static readonly string[] KeptDrivers = ["block", "char", "misc", "uio", "vfio", "virtio"];

    // Of the many drivers for networks, the one that a VM has: the benchmarks compare with it.
    private static readonly string[] KeptNetworkDrivers = ["virtio_net", "net_failover"];

    /// <summary>The releases that can be booted, the oldest first.</summary>
    public static IReadOnlyList<string> Suites { get; } = ["bookworm", "trixie"];

    private static DebianTree Recipe(string suite) => new(
        [suite],
        [.. CommonPackages, suite == "bookworm" ? "libssl3" : "libssl3t64"],
        Unwanted);

    /// <summary>Returns the tree of a release from the project's cache; unpacks it first if need be.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted; the message says what to do.</exception>
    public static Task<GuestTree> PrepareAsync(
        string suite, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        HostTools.RequireSupportedHost();
        RequireSuite(suite);
        return GetAsync(suite, new Cache(ProjectFolders.Cache), progress, cancellationToken);
    }

    /// <summary>
    /// Runs a program of the tree on the host, for instance its compiler; needs root. The program sees the tree,
    /// read-only, and nothing else of the host than <paramref name="mounts"/>.
    /// </summary>
    /// <param name="mounts">Host folders by the name that they get under /mnt; the program can write to them.</param>
    /// <param name="arguments">Program and arguments, with paths as the program sees them.</param>
    /// <param name="output">Called for each line of either output; calls may overlap.</param>
    /// <param name="cancellationToken">Stops the program.</param>
    /// <returns>The program's exit code.</returns>
    /// <exception cref="SetupException">This process is not root.</exception>
    public Task<int> RunAsync(
        IReadOnlyDictionary<string, string> mounts, IEnumerable<string> arguments, Action<string> output, CancellationToken cancellationToken = default) =>
        BuildRoot.RunAsync(Folder, mounts, arguments, output, cancellationToken);

    /// <summary>What defines the tree of a release, for the cache.</summary>
    internal static string KeyOf(string suite) => Cache.KeyOf([.. Recipe(suite).Definition, .. KeptDrivers, .. KeptNetworkDrivers, BuildRoot.MountPoints]);

    /// <exception cref="SetupException">There is no such guest.</exception>
    internal static void RequireSuite(string suite)
    {
        if (!Suites.Contains(suite))
        {
            throw new SetupException($"There is no guest {suite}: choose one of {string.Join(", ", Suites)}.");
        }
    }

    internal static async Task<GuestTree> GetAsync(string suite, Cache cache, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        var folder = await cache.GetAsync("guest-" + suite, KeyOf(suite), partial => Step.RunAsync(
            $"guest: Debian {suite} with its stock kernel", progress, async report =>
            {
                HostTools.RequireRoot("unpack the guest");
                cache.RequireSpace(2L << 30);
                await HostTools.RequireAsync("mmdebstrap", "mmdebstrap", progress, cancellationToken).ConfigureAwait(false);
                await Recipe(suite).UnpackAsync(partial, report, cancellationToken).ConfigureAwait(false);
                report("kernel and its modules");
                await FinishAsync(In(partial), cancellationToken).ConfigureAwait(false);
            }), cancellationToken).ConfigureAwait(false);
        return In(folder);
    }

    private static GuestTree In(string folder) => new(
        folder,
        Path.GetFileName(Directory.EnumerateFiles(Path.Combine(folder, "boot"), "vmlinuz-*").Single())["vmlinuz-".Length..]);

    /// <summary>The stock kernel, unpacked where that was possible.</summary>
    public string KernelPath => File.Exists(Unpacked) ? Unpacked : Packed;

    /// <summary>Where the kernel's headers are in the tree: what out-of-tree builds call KDIR.</summary>
    public string KernelBuildFolder => $"/usr/lib/modules/{KernelRelease}/build";

    private string Packed => Path.Combine(Folder, "boot", "vmlinuz-" + KernelRelease);

    private string Unpacked => Path.Combine(Folder, "boot", "vmlinux-" + KernelRelease);

    /// <summary>The stock kernel's modules.</summary>
    internal string Modules => Path.Combine(Folder, "usr/lib/modules", KernelRelease);

    private static async Task FinishAsync(GuestTree tree, CancellationToken cancellationToken)
    {
        Directory.Delete(Path.Combine(tree.Modules, "kernel/sound"), recursive: true);
        foreach (var drivers in Directory.EnumerateDirectories(Path.Combine(tree.Modules, "kernel/drivers")))
        {
            var name = Path.GetFileName(drivers);
            if (name == "net")
            {
                KeepNetworkDrivers(drivers);
            }
            else if (!KeptDrivers.Contains(name))
            {
                Directory.Delete(drivers, recursive: true);
            }
        }

        BuildRoot.MakeMountPoints(tree.Folder);

        // Links that some releases make only when a package is configured.
        foreach ((var link, var target) in (ReadOnlySpan<(string, string)>)[("sh", "dash"), ("awk", "mawk"), ("dotnet", "../share/dotnet/dotnet")])
        {
            var path = Path.Combine(tree.Folder, "usr/bin", link);
            if (!File.Exists(path))
            {
                File.CreateSymbolicLink(path, target);
            }
        }

        // Packages that are only unpacked have no index of their modules, and the initramfs needs plain ones.
        await BuildRoot.ChangeAsync(
            tree.Folder,
            ["sh", "-euc", "find \"/usr/lib/modules/$0\" -name '*.ko.xz' -exec xz --decompress {} +; depmod \"$0\"", tree.KernelRelease],
            cancellationToken).ConfigureAwait(false);
        if (KernelImage.Read(tree.Packed) is { } kernel)
        {
            await File.WriteAllBytesAsync(tree.Unpacked + ".packed", kernel.Payload, cancellationToken).ConfigureAwait(false);
            await BuildRoot.ChangeAsync(
                tree.Folder,
                ["sh", "-euc", "cd /boot; kernel=$0; \"$@\" <$kernel.packed >$kernel; rm $kernel.packed", Path.GetFileName(tree.Unpacked), .. kernel.Unpack],
                cancellationToken).ConfigureAwait(false);
        }
    }

    private static void KeepNetworkDrivers(string folder)
    {
        foreach (var path in Directory.EnumerateDirectories(folder))
        {
            Directory.Delete(path, recursive: true);
        }

        foreach (var path in Directory.EnumerateFiles(folder))
        {
            if (!KeptNetworkDrivers.Contains(Path.GetFileName(path).Split('.')[0])) // the file may be packed: .ko.xz
            {
                File.Delete(path);
            }
        }
    }
}
