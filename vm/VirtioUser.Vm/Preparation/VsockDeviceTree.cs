namespace VirtioUser.Vm;

/// <summary>
/// rust-vmm's vhost-device-vsock, unpacked into the cache: a vsock for a VM whose host has no vhost-vsock module. Only the
/// benchmarks need it, as something to compare with.
/// </summary>
public sealed class VsockDeviceTree
{
    // No stable release has it yet. Mirrors may lag behind unstable, whose index is soon called expired.
    private static readonly DebianTree Recipe = new(
        ["sid"],
        ["vhost-device-vsock"],
        ["/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/lintian", "/var/cache", "/var/lib/apt"])
    {
        MayBeExpired = true,
    };

    private VsockDeviceTree(string folder)
    {
        Program = Path.Combine(folder, "usr/lib64/ld-linux-x86-64.so.2");
        FirstArguments =
        [
            "--library-path", Path.Combine(folder, "usr/lib/x86_64-linux-gnu"), Path.Combine(folder, "usr/bin/vhost-device-vsock"),
        ];
    }

    /// <summary>The program to start: the tree's own loader, so that the host's libraries do not matter.</summary>
    internal string Program { get; }

    /// <summary>What must come before the vsock device's own arguments.</summary>
    internal IReadOnlyList<string> FirstArguments { get; }

    /// <summary>Unpacks the vsock device if it is not in the cache yet.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted; the message says what to do.</exception>
    public static async Task<VsockDeviceTree> PrepareAsync(
        IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        HostTools.RequireSupportedHost();
        Cache cache = new(ProjectFolders.Cache);
        return new VsockDeviceTree(await cache.GetAsync("vsock-device", Cache.KeyOf(Recipe.Definition), partial => Step.RunAsync(
            $"a vsock device, from {Recipe.Suites[^1]}", progress, async report =>
            {
                HostTools.RequireRoot("unpack a vsock device");
                cache.RequireSpace(100L << 20);
                await HostTools.RequireAsync("mmdebstrap", "mmdebstrap", progress, cancellationToken).ConfigureAwait(false);
                await Recipe.UnpackAsync(partial, report, cancellationToken).ConfigureAwait(false);
            }), cancellationToken).ConfigureAwait(false));
    }
}
