namespace VirtioUser.Vm;

/// <summary>Runs programs of an unpacked tree on the host: a compiler, the kernel's build system, checkers.</summary>
/// <remarks>
/// The program sees the tree as its root, read-only, with the given folders mounted under /mnt, in a mount namespace
/// of its own: nothing stays mounted afterwards and nothing of the host can be changed outside of those folders.
/// </remarks>
internal static class BuildRoot
{
    /// <summary>Folders that the tree must have to be mounted on, here and in the guest.</summary>
    public const string MountPoints = "mnt opt/virtio-user usr/share/dotnet proc sys dev run tmp root";

    /// <summary>Makes <see cref="MountPoints"/> in a tree that is being made.</summary>
    public static void MakeMountPoints(string tree)
    {
        foreach (var mountPoint in MountPoints.Split(' '))
        {
            Directory.CreateDirectory(Path.Combine(tree, mountPoint));
        }
    }

    /// <summary>Runs a program that changes a tree that is being made.</summary>
    /// <exception cref="SetupException">It failed; the message holds what it said.</exception>
    public static async Task ChangeAsync(string tree, IEnumerable<string> arguments, CancellationToken cancellationToken)
    {
        Tail said = new(8);
        var code = await ChildProcess.RunAsync(
            "chroot", [tree, "env", "--ignore-environment", "PATH=/usr/sbin:/usr/bin", "LC_ALL=C", .. arguments],
            new() { Output = said.Add, Error = said.Add }, cancellationToken).ConfigureAwait(false);
        if (code != 0)
        {
            throw new SetupException($"{tree} could not be finished: {said}");
        }
    }

    /// <summary>Runs <paramref name="arguments"/> and returns the exit code.</summary>
    /// <param name="tree">The tree's folder; it must have <see cref="MountPoints"/>.</param>
    /// <param name="mounts">Host folders by their name under /mnt; they can be written.</param>
    /// <param name="arguments">Program and arguments, with paths as they are in the tree.</param>
    /// <param name="output">Called for each line that the program writes to either of its outputs.</param>
    /// <param name="cancellationToken">Stops the program.</param>
    /// <exception cref="SetupException">This process is not root.</exception>
    public static async Task<int> RunAsync(
        string tree, IReadOnlyDictionary<string, string> mounts, IEnumerable<string> arguments, Action<string> output, CancellationToken cancellationToken)
    {
        HostTools.RequireRoot("build in the guest's tree");
        await HostTools.RequireAsync("mount", "mount", cancellationToken: cancellationToken).ConfigureAwait(false);
        return await ChildProcess.RunAsync(
            "unshare",
            [
                "--mount", "--propagation", "private", "--", "/bin/sh", "-euc", EmbeddedScripts.Read("build-root.sh"), "build-root",
                tree, .. mounts.SelectMany(mount => new[] { mount.Key, mount.Value }), "--", .. arguments,
            ],
            new() { Output = output, Error = output }, cancellationToken).ConfigureAwait(false);
    }
}
