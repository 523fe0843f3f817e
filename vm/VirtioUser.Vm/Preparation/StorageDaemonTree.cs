namespace VirtioUser.Vm;

/// <summary>
/// QEMU's storage daemon, unpacked into the cache: its virtio devices, which it offers over vhost-user, owe nothing to
/// this project. Only the tests need it.
/// </summary>
public sealed class StorageDaemonTree
{
    private static readonly DebianTree Recipe = new(
        ["trixie", "trixie-backports"],
        ["qemu-utils"],
        ["/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info", "/var/cache", "/var/lib/apt"]);

    private readonly string _libraries;

    private StorageDaemonTree(string folder)
    {
        _libraries = Path.Combine(folder, "usr/lib/x86_64-linux-gnu");
        Program = Path.Combine(folder, "usr/lib64/ld-linux-x86-64.so.2");
        FirstArguments = ["--library-path", _libraries, Path.Combine(folder, "usr/bin/qemu-storage-daemon")];
    }

    /// <summary>The program to start: the tree's own loader, so that the host's libraries do not matter.</summary>
    internal string Program { get; }

    /// <summary>What must come before the storage daemon's own arguments.</summary>
    internal IReadOnlyList<string> FirstArguments { get; }

    /// <summary>Environment variables that it needs.</summary>
    internal IReadOnlyDictionary<string, string?> Environment =>
        new Dictionary<string, string?> { ["QEMU_MODULE_DIR"] = Path.Combine(_libraries, "qemu") };

    /// <summary>Unpacks the storage daemon if it is not in the cache yet.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted; the message says what to do.</exception>
    public static async Task<StorageDaemonTree> PrepareAsync(
        IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        HostTools.RequireSupportedHost();
        Cache cache = new(ProjectFolders.Cache);
        return new StorageDaemonTree(await cache.GetAsync("storage-daemon", Cache.KeyOf(Recipe.Definition), partial => Step.RunAsync(
            $"QEMU's storage daemon, from {Recipe.Suites[^1]}", progress, async report =>
            {
                HostTools.RequireRoot("unpack QEMU's storage daemon");
                cache.RequireSpace(400L << 20);
                await HostTools.RequireAsync("mmdebstrap", "mmdebstrap", progress, cancellationToken).ConfigureAwait(false);
                await Recipe.UnpackAsync(partial, report, cancellationToken).ConfigureAwait(false);
            }), cancellationToken).ConfigureAwait(false));
    }
}
