// The decoder as a shared library.
namespace VirtioUser.Vm;

/// <summary>Builds the decoder, devices/codec, against the FFmpeg of the media tree.</summary>
public static class CodecBuild
{
    /// <summary>Returns the shared library, for the daemon's <c>--device</c>; builds it first if its source has changed. Needs root then.</summary>
    /// <param name="tree">The FFmpeg that it is linked with.</param>
    /// <param name="progress">Is told what takes long.</param>
    /// <param name="cancellationToken">Stops the build.</param>
    /// <exception cref="SetupException">It does not build without a warning, or root is needed and not there.</exception>
    public static async Task<string> GetAsync(
        MediaTree tree, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        const string library = "libvirtio_user_codec.so";
        var folder = Path.Combine(ProjectFolders.Root, "devices", "codec");
        string[] sources = [.. Directory.EnumerateFiles(folder, "*.c").Order(StringComparer.Ordinal)];
        string[] headers =
        [
            Path.Combine(ProjectFolders.Root, "plugins", "include", "virtio_user_plugin.h"),
            .. Directory.EnumerateFiles(folder, "*.h").Order(StringComparer.Ordinal),
        ];

        var built = await NativeBuild.GetAsync(
            "codec", [.. headers, .. sources],
            new Dictionary<string, string[]> { [library] = [.. Arguments(tree), .. sources.Select(source => Path.GetFileName(source)), "-lavformat", "-lavcodec", "-lavutil"] },
            new Dictionary<string, string> { ["media"] = tree.Folder }, progress, cancellationToken).ConfigureAwait(false);
        return Path.Combine(built, library);
    }

    // The library finds FFmpeg, and FFmpeg what it depends on, in the entry of the cache beside its own. That needs the
    // older kind of search path: the newer one does not count for what a dependency depends on.
    private static IEnumerable<string> Arguments(MediaTree tree) =>
    [
        "-shared", "-fPIC", "-fvisibility=hidden", "-pthread", "-isystem", "/mnt/media/usr/include/x86_64-linux-gnu", "-L/mnt/media/" + MediaTree.LibraryFolders[0],
        "-Wl,--disable-new-dtags",
        .. MediaTree.LibraryFolders.Select(folder => $"-Wl,-rpath,$ORIGIN/../{Path.GetFileName(tree.Folder)}/{folder}"),
    ];
}
