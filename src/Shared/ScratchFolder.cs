// A private folder for sockets. Compiled into each program that needs one.
using System.Text;

namespace Virtio;

/// <summary>Makes folders whose paths leave room for the names of sockets, wherever temporary files may be.</summary>
internal static class ScratchFolder
{
    /// <summary>The longest name, in bytes, that a socket in such a folder may have: paths of sockets have at most 107.</summary>
    public const int LongestName = 30;

    private const int LongestPath = 107;

    /// <summary>
    /// Makes a new folder that only this user may enter: in TMPDIR if that can be used, else where else the system lets
    /// programs have such.
    /// </summary>
    /// <param name="prefix">What its name begins with.</param>
    /// <exception cref="IOException">There is no such place; the message names TMPDIR and says what to do.</exception>
    public static DirectoryInfo Create(string prefix)
    {
        string?[] places = [Path.GetTempPath(), Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR"), "/tmp", "/dev/shm"];
        foreach (var place in places)
        {
            if (place is { Length: > 0 } && TryCreate(Path.Combine(place, prefix + Path.GetRandomFileName())) is { } folder)
            {
                return folder;
            }
        }

        throw new IOException($"There is no folder for temporary files: {Path.GetTempPath()} is missing, can not be written or has a path " +
            "that is too long for a socket. Set TMPDIR to one that is none of that.");
    }

    private static DirectoryInfo? TryCreate(string path)
    {
        // A missing parent is not to be made: somebody named a place that does not exist.
        if (OperatingSystem.IsWindows() // which has no such modes; a project that compiles this may not say that it is for Linux
            || Encoding.UTF8.GetByteCount(path) + 1 + LongestName > LongestPath || !Directory.Exists(Path.GetDirectoryName(path)))
        {
            return null;
        }

        try
        {
            return Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
