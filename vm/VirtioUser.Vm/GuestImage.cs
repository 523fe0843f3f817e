namespace VirtioUser.Vm;

/// <summary>
/// Everything that a stock VM boots from: QEMU, a Debian guest with its stock kernel, the guest driver built for that
/// kernel, and an initramfs. Prepared once, kept in the cache folder, and never changed afterwards.
/// </summary>
public sealed class GuestImage
{
    /// <summary>Where the folder with the built driver is in the guest.</summary>
    public const string DriverFolderInGuest = "/opt/virtio-user";

    private GuestImage(Qemu qemu, GuestTree tree, string driverFolder, string initramfs)
    {
        Tree = tree;
        Qemu = qemu;
        DriverFolder = driverFolder;
        InitramfsPath = initramfs;
    }

    /// <summary>The QEMU to boot with.</summary>
    public Qemu Qemu { get; }

    /// <summary>The guest's file system and kernel; read-only to the guest.</summary>
    public GuestTree Tree { get; }

    /// <summary>The guest's initramfs, a file on the host.</summary>
    public string InitramfsPath { get; }

    /// <summary>The folder on the host in which the driver was built: its source, virtio_user.ko and whatever else its make builds.</summary>
    public string DriverFolder { get; }

    /// <summary>Makes what is missing; returns at once, and asks for neither network nor root, when nothing is.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted; the message says what to do.</exception>
    public static async Task<GuestImage> PrepareAsync(
        GuestImageOptions? options = null, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        options ??= new GuestImageOptions();
        HostTools.RequireSupportedHost();
        GuestTree.RequireSuite(options.Suite);
        Cache cache = new(options.CacheFolder);
        var qemu = await Qemu.GetAsync(cache, progress, cancellationToken).ConfigureAwait(false);
        var tree = await GuestTree.GetAsync(options.Suite, cache, progress, cancellationToken).ConfigureAwait(false);
        var driver = await DriverBuild.GetAsync(tree, options.Suite, options.DriverSource, cache, progress, cancellationToken).ConfigureAwait(false);
        var initramfs = await Initramfs.GetAsync(tree, options.Suite, cache, cancellationToken).ConfigureAwait(false);
        return new GuestImage(qemu, tree, driver, initramfs);
    }
}
