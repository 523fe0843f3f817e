using System.Globalization;
using System.Text.RegularExpressions;

namespace VirtioUser.Vm;

/// <summary>A QEMU that has the generic vhost-user device: the machine's own, or one unpacked into the cache.</summary>
/// <param name="Program">The program to start.</param>
/// <param name="FirstArguments">What must come before QEMU's own arguments.</param>
/// <param name="Environment">Environment variables that it needs.</param>
/// <param name="Version">Its version.</param>
public sealed partial record Qemu(
    string Program, IReadOnlyList<string> FirstArguments, IReadOnlyDictionary<string, string?> Environment, Version Version)
{
    /// <summary>The generic vhost-user device of QEMU, on PCI.</summary>
    public const string DeviceModel = "vhost-user-test-device-pci";

    private const string Emulator = "qemu-system-x86_64";
    private static readonly Version Needed = new(11, 1);

    // Trixie itself has an older QEMU, and its backports build on trixie's libraries.
    private static readonly DebianTree Tree = new(
        ["trixie", "trixie-backports"],
        ["qemu-system-x86"],
        ["/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/icons", "/usr/share/info", "/var/cache"]);

    /// <summary>The machine's own QEMU if it is new enough, else the one in the cache, which is unpacked first if need be.</summary>
    internal static async Task<Qemu> GetAsync(Cache cache, IProgress<PreparationProgress>? progress, CancellationToken cancellationToken)
    {
        Qemu installed = new(Emulator, [], new Dictionary<string, string?>(), new Version());
        if (HostTools.Has(Emulator)
            && await installed.ReadVersionAsync(cancellationToken).ConfigureAwait(false) is { } version && version >= Needed
            && await installed.HasDeviceAsync(cancellationToken).ConfigureAwait(false))
        {
            return installed with { Version = version };
        }

        var folder = await cache.GetAsync("qemu", Cache.KeyOf(Tree.Definition), partial => Step.RunAsync(
            $"QEMU {Needed} or newer, from {Tree.Suites[^1]}", progress, async report =>
            {
                HostTools.RequireRoot("unpack QEMU");
                cache.RequireSpace(600L << 20);
                await HostTools.RequireAsync("mmdebstrap", "mmdebstrap", progress, cancellationToken).ConfigureAwait(false);
                await Tree.UnpackAsync(partial, report, cancellationToken).ConfigureAwait(false);
            }), cancellationToken).ConfigureAwait(false);
        var unpacked = In(folder);
        return unpacked with
        {
            Version = await unpacked.ReadVersionAsync(cancellationToken).ConfigureAwait(false)
                ?? throw new SetupException($"The QEMU in {folder} does not run: delete that folder and try again."),
        };
    }

    /// <summary>A QEMU in a tree, run by the tree's own loader and libraries, whatever the host has.</summary>
    private static Qemu In(string tree)
    {
        var libraries = Path.Combine(tree, "usr/lib/x86_64-linux-gnu");
        return new Qemu(
            Path.Combine(tree, "usr/lib64/ld-linux-x86-64.so.2"),
            [
                "--library-path", libraries, Path.Combine(tree, "usr/bin", Emulator),
                "-L", Path.Combine(tree, "usr/share/qemu"), "-L", Path.Combine(tree, "usr/share/seabios"),
            ],
            new Dictionary<string, string?> { ["QEMU_MODULE_DIR"] = Path.Combine(libraries, "qemu") },
            new Version());
    }

    private async Task<Version?> ReadVersionAsync(CancellationToken cancellationToken)
    {
        var first = "";
        await ChildProcess.RunAsync(
            Program, [.. FirstArguments, "--version"],
            new() { Output = line => first = first.Length == 0 ? line : first, Environment = Environment }, cancellationToken).ConfigureAwait(false);
        var match = VersionNumber().Match(first);
        return match.Success ? Version.Parse(match.Value) : null;
    }

    private async Task<bool> HasDeviceAsync(CancellationToken cancellationToken) =>
        await ChildProcess.RunAsync(
            Program, [.. FirstArguments, "-device", DeviceModel + ",help"], new() { Environment = Environment }, cancellationToken).ConfigureAwait(false) == 0;

    [GeneratedRegex(@"\d+\.\d+\.\d+")]
    private static partial Regex VersionNumber();

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"QEMU {Version}");
}
