namespace VirtioUser.Vm;

/// <summary>
/// Programs that check source code, of one Debian release, so that they say the same on every host: clang-format,
/// shellcheck, and the kernel's checkpatch. Only the tests need them.
/// </summary>
public sealed class CheckerTree
{
    /// <summary>The folder, in the tree, that holds checkpatch.pl and the lists it reads.</summary>
    private const string Checkpatch = "opt/checkpatch";

    private static readonly DebianTree Recipe = new(
        ["bookworm"],
        ["clang-format", "shellcheck", "make", "dash", "coreutils", "tar", "xz-utils", "linux-source"],
        ["/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info", "/var/cache", "/var/lib/apt"]);

    // Debian has checkpatch only in the kernel's whole source, of which three files are kept.
    private const string KeepCheckpatch =
        $"""
        cd /{Checkpatch}
        tar --extract --file "$(echo /usr/src/linux-source-*.tar.xz)" --strip-components=2 --wildcards \
            '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' '*/scripts/const_structs.checkpatch'
        rm -r /usr/src/linux-*
        """;

    private readonly string _folder;

    private CheckerTree(string folder) => this._folder = folder;

    /// <summary>The folder on the host with checkpatch.pl; it runs on the guest's Perl.</summary>
    public string CheckpatchFolder => Path.Combine(_folder, Checkpatch);

    /// <summary>Unpacks the programs if they are not in the cache yet.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted; the message says what to do.</exception>
    public static async Task<CheckerTree> PrepareAsync(
        IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        HostTools.RequireSupportedHost();
        Cache cache = new(ProjectFolders.Cache);
        var key = Cache.KeyOf([.. Recipe.Definition, KeepCheckpatch, BuildRoot.MountPoints]);
        return new CheckerTree(await cache.GetAsync("checkers", key, partial => Step.RunAsync(
            "clang-format, shellcheck and checkpatch", progress, async report =>
            {
                HostTools.RequireRoot("unpack the checkers");
                cache.RequireSpace(1L << 30);
                await HostTools.RequireAsync("mmdebstrap", "mmdebstrap", progress, cancellationToken).ConfigureAwait(false);
                await Recipe.UnpackAsync(partial, report, cancellationToken).ConfigureAwait(false);
                report("taking checkpatch out of the kernel's source");
                BuildRoot.MakeMountPoints(partial);
                Directory.CreateDirectory(Path.Combine(partial, Checkpatch));
                await BuildRoot.ChangeAsync(partial, ["sh", "-euc", KeepCheckpatch], cancellationToken).ConfigureAwait(false);
            }), cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Runs one of the programs, as <see cref="GuestTree.RunAsync"/> runs the guest's.</summary>
    /// <inheritdoc cref="GuestTree.RunAsync"/>
    public Task<int> RunAsync(
        IReadOnlyDictionary<string, string> mounts, IEnumerable<string> arguments, Action<string> output, CancellationToken cancellationToken = default) =>
        BuildRoot.RunAsync(_folder, mounts, arguments, output, cancellationToken);
}
