using System.Security.Cryptography;

namespace VirtioUser.Vm;

/// <summary>
/// Builds programs and shared libraries in C by the compiler of the oldest guest's tree, whichever guest is booted: alike wherever
/// this runs, without a compiler on the host, and linked against a libc that is old enough for every release that the project supports.
/// </summary>
public static class NativeBuild
{
    // The name of the folder that is built in.
    private const string Here = "native";

    /// <summary>Returns the folder with what was built; builds it first if a source, or how it is built, has changed. Needs root then.</summary>
    /// <param name="kind">What it is, for the cache and for messages.</param>
    /// <param name="sources">All files that are needed, with their paths; they are put into one folder.</param>
    /// <param name="products">What to build, with the compiler's arguments: flags, and names of the sources.</param>
    /// <param name="folders">Folders with what is linked, by the names that they get under /mnt; they must not change.</param>
    /// <param name="progress">Is told what takes long.</param>
    /// <param name="cancellationToken">Stops the build.</param>
    /// <exception cref="SetupException">It does not build without a warning, or root is needed and not there.</exception>
    public static async Task<string> GetAsync(
        string kind, IReadOnlyList<string> sources, IReadOnlyDictionary<string, string[]> products,
        IReadOnlyDictionary<string, string>? folders = null, IProgress<PreparationProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var suite = GuestTree.Suites[0];
        var tree = await GuestTree.PrepareAsync(suite, progress, cancellationToken).ConfigureAwait(false);
        var key = Cache.KeyOf(
        [
            GuestTree.KeyOf(suite),
            .. sources.Select(source => Path.GetFileName(source) + ' ' + Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(source)))),
            .. products.Select(product => $"{product.Key}: {string.Join(' ', product.Value)}"),
            .. (folders ?? new Dictionary<string, string>()).Select(folder => $"{folder.Key}: {Path.GetFileName(folder.Value)}"),
        ]);
        return await new Cache(ProjectFolders.Cache).GetAsync(
            kind, key,
            async partial =>
            {
                foreach (var source in sources)
                {
                    File.Copy(source, Path.Combine(partial, Path.GetFileName(source)));
                }

                Dictionary<string, string> mounts = new(folders ?? new Dictionary<string, string>()) { [Here] = partial };
                foreach ((var product, var arguments) in products)
                {
                    await CompileAsync(tree, mounts, kind, product, arguments, cancellationToken).ConfigureAwait(false);
                }
            },
            cancellationToken).ConfigureAwait(false);
    }

    private static async Task CompileAsync(
        GuestTree tree, Dictionary<string, string> mounts, string kind, string product, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        List<string> said = [];
        var code = await tree.RunAsync(
            mounts,
            ["env", "--chdir=/mnt/" + Here, "gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", product, .. arguments],
            line =>
            {
                lock (said)
                {
                    said.Add(line);
                }
            },
            cancellationToken).ConfigureAwait(false);
        if (code != 0)
        {
            throw new SetupException($"{product} ({kind}) does not build cleanly:\n{string.Join('\n', said)}");
        }
    }
}
