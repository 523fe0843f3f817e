// Checks by programs that know nothing of this project.
using System.Diagnostics;

namespace VirtioUser.Demo.Guest;

/// <summary>A result was not what it has to be.</summary>
internal sealed class ProofException(string message) : Exception(message);

internal static class Proof
{
    /// <summary>gunzip makes the original of the packed file again.</summary>
    /// <exception cref="ProofException">It does not.</exception>
    public static string Unpacks(string packed, string original)
    {
        Run("bash", "-o", "pipefail", "-c", "gunzip -c -- \"$1\" | cmp - \"$2\"", "bash", packed, original);
        return "the same bytes";
    }

    /// <summary>sha256sum finds the same digest.</summary>
    /// <exception cref="ProofException">It finds another.</exception>
    public static string HasDigest(string file, string digest)
    {
        // A name that sha256sum escapes would put a backslash before the digest: let it read the bytes only.
        var theirs = Run("bash", "-c", "sha256sum < \"$1\"", "bash", file).Split(' ')[0];
        return theirs == digest ? $"the same digest, {digest}" : throw new ProofException($"sha256sum of {file} is {theirs}, the device said {digest}.");
    }

    private static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new ProofException($"{program} {string.Join(' ', arguments)} failed with {process.ExitCode}. {output}");
    }
}
