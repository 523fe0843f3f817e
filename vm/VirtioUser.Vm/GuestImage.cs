namespace VirtioUser.Vm;

/// <summary>
/// Everything that a stock VM boots from: QEMU, a Debian guest with its stock kernel, the guest driver built for that
/// kernel, and an initramfs. Prepared once, kept in the cache folder, and never changed afterwards.
/// </summary>
public sealed class GuestImage
{
    /// <summary>Where the folder with the built driver is in the guest.</summary>
    public const string DriverFolderInGuest = "/opt/virtio-user";

    readonly GuestTree tree;

    GuestImage(Qemu qemu, GuestTree tree, string driverFolder, string initramfs)
    {
        this.tree = tree;
        Qemu = qemu;
        DriverFolder = driverFolder;
        InitramfsPath = initramfs;
    }

    /// <summary>The QEMU to boot with.</summary>
    public Qemu Qemu { get; }

    /// <summary>The guest's kernel release, as <c>uname -r</c> says it.</summary>
    public string KernelRelease => tree.KernelRelease;

    /// <summary>The guest's kernel, a file on the host that QEMU boots.</summary>
    public string KernelPath => tree.Kernel;

    /// <summary>The guest's initramfs, a file on the host.</summary>
    public string InitramfsPath { get; }

    /// <summary>The guest's file system, a folder on the host; read-only to the guest, and not to be changed by anybody.</summary>
    public string TreeFolder => tree.Folder;

    /// <summary>The folder on the host in which the driver was built: its source, virtio_user.ko and whatever else its make builds.</summary>
    public string DriverFolder { get; }

    /// <summary>Makes what is missing; returns at once, and asks for neither network nor root, when nothing is.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted; the message says what to do.</exception>
    public static async Task<GuestImage> PrepareAsync(
        GuestImageOptions? options = null, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new GuestImageOptions();
        HostTools.RequireSupportedHost();
        Cache cache = new(options.CacheFolder);
        Qemu qemu = await Qemu.GetAsync(cache, progress, cancellationToken).ConfigureAwait(false);
        GuestTree tree = await GuestTree.GetAsync(options.Suite, cache, progress, cancellationToken).ConfigureAwait(false);
        string driver = await DriverBuild.GetAsync(tree, options.Suite, options.DriverSource, cache, progress, cancellationToken).ConfigureAwait(false);
        string initramfs = await Initramfs.GetAsync(tree, options.Suite, cache, cancellationToken).ConfigureAwait(false);
        return new GuestImage(qemu, tree, driver, initramfs);
    }

    /// <summary>
    /// Runs a program of the guest's file system on the host, for instance its compiler; needs root. The program sees
    /// the guest's files, read-only, and nothing else of the host than <paramref name="mounts"/>.
    /// </summary>
    /// <param name="mounts">Host folders by the name that they get under /mnt; the program can write to them.</param>
    /// <param name="arguments">Program and arguments, with paths as the program sees them.</param>
    /// <param name="output">Called for each line of either output; calls may overlap.</param>
    /// <param name="cancellationToken">Stops the program.</param>
    /// <returns>The program's exit code.</returns>
    /// <exception cref="SetupException">This process is not root.</exception>
    public Task<int> RunInBuildRootAsync(
        IReadOnlyDictionary<string, string> mounts, IEnumerable<string> arguments, Action<string> output, CancellationToken cancellationToken = default) =>
        BuildRoot.RunAsync(tree, mounts, arguments, output, cancellationToken);
}
