using System.Runtime.InteropServices;

namespace VirtioUser.Vm;

/// <summary>What the host must be and have, and how what is missing gets there.</summary>
public static class HostTools
{
    /// <summary>Stops early where a stock VM can not be prepared at all.</summary>
    /// <exception cref="SetupException">This is not x86-64 Linux.</exception>
    public static void RequireSupportedHost()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.OSArchitecture != Architecture.X64)
        {
            throw new SetupException(
                $"The stock VM is x86-64 on Linux, and this is {RuntimeInformation.OSDescription} on {RuntimeInformation.OSArchitecture}: use an x86-64 Debian 12 or 13.");
        }
    }

    /// <summary>Stops with a clear sentence unless this process is root.</summary>
    /// <param name="purpose">What root is needed for, as the end of "root is needed to …".</param>
    /// <exception cref="SetupException">This process is not root.</exception>
    public static void RequireRoot(string purpose)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            throw new SetupException($"Root is needed to {purpose}: run the same command with sudo.");
        }
    }

    /// <summary>True where Linux can be booted under KVM: the device may be opened and the processor has the extensions.</summary>
    /// <remarks>Some machines show /dev/kvm without the extensions behind it; a guest would not start there.</remarks>
    public static bool HasKvm()
    {
        try
        {
            using FileStream device = new("/dev/kvm", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }

        return File.ReadLines("/proc/cpuinfo")
            .First(line => line.StartsWith("flags", StringComparison.Ordinal))
            .Split(' ').Any(flag => flag is "vmx" or "svm");
    }

    /// <summary>True if <paramref name="program"/> is found by PATH.</summary>
    public static bool Has(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
        .Append("/usr/sbin").Any(folder => File.Exists(Path.Combine(folder, program)));

    /// <summary>Installs <paramref name="package"/> by apt-get unless <paramref name="program"/> is there already.</summary>
    /// <exception cref="SetupException">No root, no apt-get, or apt-get failed; the message says which.</exception>
    public static async Task RequireAsync(
        string program, string package, IProgress<PreparationProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (Has(program))
        {
            return;
        }

        if (!Has("apt-get"))
        {
            throw new SetupException($"{program} is missing and there is no apt-get to install it: install {package}, or use Debian 12 or 13.");
        }

        RequireRoot($"install the package {package}");
        await Step.RunAsync($"package {package}", progress, async report =>
        {
            // A fresh machine may have no package lists, or lists that are out of date.
            if (await InstallAsync(package, report, new Tail(1), cancellationToken).ConfigureAwait(false) != 0)
            {
                Tail tail = new(8);
                await ChildProcess.RunAsync("apt-get", ["-q", "update"], new() { Output = report, Error = tail.Add }, cancellationToken).ConfigureAwait(false);
                if (await InstallAsync(package, report, tail, cancellationToken).ConfigureAwait(false) != 0)
                {
                    throw new SetupException($"apt-get could not install {package}; check the network and apt's sources. It said:\n{tail}");
                }
            }
        }).ConfigureAwait(false);
    }

    private static Task<int> InstallAsync(string package, Action<string> report, Tail tail, CancellationToken cancellationToken) =>
        ChildProcess.RunAsync(
            "apt-get", ["-q", "-y", "--no-install-recommends", "install", package],
            new() { Output = report, Error = tail.Add, Environment = new Dictionary<string, string?> { ["DEBIAN_FRONTEND"] = "noninteractive" } },
            cancellationToken);
}
