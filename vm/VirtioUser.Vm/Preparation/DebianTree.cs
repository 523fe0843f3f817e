namespace VirtioUser.Vm;

/// <summary>
/// A folder tree with Debian packages unpacked and nothing configured: enough to run programs from, and the same on
/// every host.
/// </summary>
/// <param name="Suites">The suites to take packages from; the last one is preferred.</param>
/// <param name="Packages">The packages wanted; what they depend on comes along, recommendations do not.</param>
/// <param name="Unwanted">Paths to delete afterwards; "*" and "?" in the last component stand for any characters and for any one.</param>
internal sealed record DebianTree(IReadOnlyList<string> Suites, IReadOnlyList<string> Packages, IReadOnlyList<string> Unwanted)
{
    // Debian's merged /usr, which its base packages expect and which nobody else sets up in an unpacked tree.
    private const string MergedUsr =
        """
        mkdir -p "$1/usr"
        for folder in bin sbin lib lib64; do mkdir -p "$1/usr/$folder"; ln -sT "usr/$folder" "$1/$folder"; done
        """;

    /// <summary>
    /// Whether an index will do whose date says that a newer one must be there. Its signature is checked all the same; what an
    /// attacker could do is offer packages that were Debian's some time ago.
    /// </summary>
    public bool MayBeExpired { get; init; }

    /// <summary>What defines the tree, for the cache; the mirror does not, since all carry the same packages.</summary>
    public IEnumerable<string> Definition => [.. Suites, .. Packages, .. Unwanted, MergedUsr];

    /// <summary>Unpacks the tree into an empty folder.</summary>
    /// <exception cref="SetupException">It failed; the message holds what the tools said.</exception>
    public async Task UnpackAsync(string folder, Action<string> report, CancellationToken cancellationToken)
    {
        var mirror = await DebianMirror.FindAsync(cancellationToken).ConfigureAwait(false);
        Tail said = new(12);
        var code = await ChildProcess.RunAsync(
            "mmdebstrap",
            [
                "--variant=extract", "--mode=root", "--format=directory", "--architectures=amd64",
                "--setup-hook=" + MergedUsr,
                "--aptopt=APT::Default-Release \"" + Suites[^1] + "\"",
                .. mirror.AptOptions.Select(option => "--aptopt=" + option),
                .. MayBeExpired ? ["--aptopt=Acquire::Check-Valid-Until \"false\""] : (string[])[],
                "--include=" + string.Join(',', Packages),
                Suites[0], folder,
                .. Suites.Select(suite => $"deb {mirror.Uri} {suite} main"),
            ],
            new() { Output = Hear, Error = Hear }, cancellationToken).ConfigureAwait(false);
        if (code != 0)
        {
            throw new SetupException($"Debian packages could not be unpacked; check the network and apt's sources.\nmmdebstrap said:\n{said}");
        }

        foreach (var path in Unwanted)
        {
            Delete(Path.Combine(folder, path.TrimStart('/')));
        }

        void Hear(string line)
        {
            said.Add(line);
            if (line.StartsWith("I: ", StringComparison.Ordinal))
            {
                report(line[3..].TrimEnd('.'));
            }
        }
    }

    private static void Delete(string path)
    {
        var name = Path.GetFileName(path);
        if (name.AsSpan().ContainsAny('*', '?'))
        {
            var folder = Path.GetDirectoryName(path)!;
            foreach (var child in Directory.Exists(folder) ? Directory.GetFileSystemEntries(folder, name) : [])
            {
                Delete(child);
            }
        }
        else if (Directory.Exists(path) && new DirectoryInfo(path).LinkTarget is null)
        {
            Directory.Delete(path, recursive: true);
        }
        else
        {
            File.Delete(path);
        }
    }
}
