using System.Security.Cryptography;

namespace VirtioUser.Vm;

/// <summary>Builds the guest driver from the project's source, by the guest's compiler, for the guest's kernel.</summary>
public static class DriverBuild
{
    // What a build leaves in the source's folder; a developer may have built there by hand.
    private static readonly string[] Products = [".o", ".ko", ".mod", ".mod.c", ".cmd", ".a", ".symvers", ".order", "_smoke"];

    /// <summary>Returns the folder with the built driver; builds it first if its source or its kernel changed.</summary>
    /// <exception cref="SetupException">It does not build without a warning; the message holds what the compiler said.</exception>
    internal static Task<string> GetAsync(
        GuestTree tree, string suite, string source, Cache cache, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> files = SourceFiles(source);
        var key = Cache.KeyOf([GuestTree.KeyOf(suite), tree.KernelRelease, .. files.Select(file => HashOf(source, file))]);
        return cache.GetAsync("driver-" + suite, key, partial => Step.RunAsync(
            $"driver for Linux {tree.KernelRelease}", progress, async report =>
            {
                CopySource(source, partial);
                List<string> said = [];
                var code = await tree.RunAsync(
                    new Dictionary<string, string> { ["driver"] = partial },
                    ["make", "-C", "/mnt/driver", $"KDIR={tree.KernelBuildFolder}", "W=1", "modules", "smoke"],
                    line =>
                    {
                        lock (said)
                        {
                            said.Add(line);
                        }

                        report(line.Trim());
                    },
                    cancellationToken).ConfigureAwait(false);
                if (code != 0 || said.Exists(line => line.Contains("warning:", StringComparison.OrdinalIgnoreCase)))
                {
                    throw new SetupException($"The driver in {source} does not build cleanly:\n{string.Join('\n', said)}");
                }
            }), cancellationToken);
    }

    /// <summary>Copies the source without anything that was built in it.</summary>
    public static void CopySource(string source, string target)
    {
        foreach (var file in SourceFiles(source))
        {
            var copy = Path.Combine(target, file);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(Path.Combine(source, file), copy);
        }
    }

    private static List<string> SourceFiles(string source)
    {
        if (!Directory.Exists(source))
        {
            throw new SetupException($"The driver's source is not in {source}: get the whole project.");
        }

        return [.. Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories)
            .Where(file => !Products.Any(product => file.EndsWith(product, StringComparison.Ordinal)))
            .Select(file => Path.GetRelativePath(source, file)).Order(StringComparer.Ordinal)];
    }

    private static string HashOf(string source, string file) =>
        file + ' ' + Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(source, file))));
}
