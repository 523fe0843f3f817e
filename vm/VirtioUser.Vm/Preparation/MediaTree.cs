// FFmpeg and photographs, unpacked into the cache.
namespace VirtioUser.Vm;

/// <summary>
/// FFmpeg of one Debian release, unpacked into the cache, with photographs to make clips of: the same on every host, which
/// gets no FFmpeg installed. The program and the libraries run with the C library of whoever loads them, which may be a newer
/// one: ffmpeg on the host and in the guest, and the decoder's plug-in in the daemon.
/// </summary>
public sealed class MediaTree
{
    /// <summary>Where a guest sees the tree; see <see cref="Share"/>.</summary>
    public const string FolderInGuest = "/opt/media";

    private const string Libraries = "usr/lib/x86_64-linux-gnu";

    // The dynamic linker that every x86-64 Linux has here.
    private const string Loader = "/lib64/ld-linux-x86-64.so.2";

    // The tree's own C library would be loaded beside the one that the process has already.
    private static readonly string[] CLibrary =
    [
        "ld-linux-x86-64.so.?", "libBrokenLocale.so.?", "libanl.so.?", "libc.so.?", "libc_malloc_debug.so.?", "libdl.so.?", "libm.so.?",
        "libmemusage.so", "libmvec.so.?", "libnsl.so.?", "libnss_*", "libpcprofile.so", "libpthread.so.?", "libresolv.so.?", "librt.so.?",
        "libthread_db.so.?", "libutil.so.?", "audit", "gconv",
    ];

    // Graphics drivers, which are loaded at run time if there is hardware, and libraries to link statically.
    private static readonly string[] NotNeeded = ["dri", "gallium-pipe", "libLLVM-*", "libz3.*", "libvulkan_*", "mfx", "libmfxhw64*", "libmfx-*", "*.a"];

    private static readonly DebianTree Recipe = new(
        ["bookworm"],
        ["ffmpeg", "libavformat-dev", "mate-backgrounds"],
        [
            "/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info", "/usr/share/icons", "/usr/share/X11", "/usr/share/mime",
            "/usr/share/backgrounds/mate/abstract", "/usr/share/backgrounds/mate/desktop", "/usr/sbin", "/var/cache", "/var/lib/apt",
            .. CLibrary.Concat(NotNeeded).Select(name => $"/{Libraries}/{name}"), "/usr/lib64/ld-linux-x86-64.so.?",
        ]);

    // Some of FFmpeg's dependencies are found by links that Debian makes when a package is configured.
    private static readonly string[] LibraryFolderNames = [Libraries, Libraries + "/blas", Libraries + "/lapack", Libraries + "/pulseaudio"];

    private MediaTree(string folder) => Folder = folder;

    /// <summary>The tree, on the host.</summary>
    public string Folder { get; }

    /// <summary>How a guest gets to see the tree.</summary>
    public Share Share => new(Folder, FolderInGuest);

    /// <summary>The folders with shared libraries, relative to the tree.</summary>
    internal static IReadOnlyList<string> LibraryFolders => LibraryFolderNames;

    /// <summary>The photographs: JPEG files on the host, of 1920 x 1080 pixels and more, always in the same order.</summary>
    public IReadOnlyList<string> Photographs =>
        [.. Directory.EnumerateFiles(Path.Combine(Folder, "usr/share/backgrounds/mate/nature"), "*.jpg").Order(StringComparer.Ordinal)];

    /// <summary>The program ffmpeg and what must come before its own arguments.</summary>
    /// <param name="folder">The tree, as the one sees it who runs the program: <see cref="Folder"/> on the host, another folder in a guest.</param>
    /// <remarks>By the loader's option, not by LD_LIBRARY_PATH, which programs that start ffmpeg would see too.</remarks>
    public static IReadOnlyList<string> FfmpegIn(string folder) =>
        [Loader, "--library-path", string.Join(':', LibraryFolderNames.Select(name => $"{folder}/{name}")), $"{folder}/usr/bin/ffmpeg"];

    /// <summary>Unpacks the tree if it is not in the cache yet.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted; the message says what to do.</exception>
    public static async Task<MediaTree> PrepareAsync(
        IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        HostTools.RequireSupportedHost();
        Cache cache = new(ProjectFolders.Cache);
        return new MediaTree(await cache.GetAsync("media", Cache.KeyOf(Recipe.Definition), partial => Step.RunAsync(
            $"FFmpeg and photographs, from {Recipe.Suites[^1]}", progress, async report =>
            {
                HostTools.RequireRoot("unpack FFmpeg");
                cache.RequireSpace(1L << 30);
                await HostTools.RequireAsync("mmdebstrap", "mmdebstrap", progress, cancellationToken).ConfigureAwait(false);
                await Recipe.UnpackAsync(partial, report, cancellationToken).ConfigureAwait(false);
            }), cancellationToken).ConfigureAwait(false));
    }
}
