using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace VirtioUser.Vm;

/// <summary>
/// Things that take long to make, each a folder named by its kind and by a hash of what defines it. An entry is made
/// under another name and renamed when complete: what can be found is whole, also after a crash or a full disk.
/// </summary>
internal sealed class Cache(string folder)
{
    private const string Partial = ".partial";
    private const int LockedByAnother = 11; // EWOULDBLOCK
    private static readonly TimeSpan KeepSuperseded = TimeSpan.FromDays(1);

    /// <summary>A short hash over everything that defines an entry.</summary>
    public static string KeyOf(IEnumerable<string> definition) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', definition))))[..12];

    /// <summary>Returns the entry's folder; makes it first, by <paramref name="make"/> in the folder it is given, if it is not there.</summary>
    /// <exception cref="SetupException">The cache may not be written.</exception>
    public async Task<string> GetAsync(string kind, string key, Func<string, Task> make, CancellationToken cancellationToken)
    {
        var entry = Path.Combine(folder, $"{kind}-{key}");
        if (Directory.Exists(entry))
        {
            return entry;
        }

        using var held = await LockAsync(cancellationToken).ConfigureAwait(false);
        if (Directory.Exists(entry))
        {
            return entry; // another process made it while this one waited
        }

        foreach (var left in Directory.EnumerateDirectories(folder, "*" + Partial))
        {
            Directory.Delete(left, recursive: true); // of a run that was cut off; nobody else works while the lock is held
        }

        var partial = entry + Partial;
        Directory.CreateDirectory(partial);
        try
        {
            await make(partial).ConfigureAwait(false);
            Directory.SetLastWriteTimeUtc(partial, DateTime.UtcNow); // unpacking an archive may set the folder's time to one of its own
            Directory.Move(partial, entry);
        }
        catch
        {
            Directory.Delete(partial, recursive: true);
            throw;
        }

        // A VM that was started before the change may still run from what this entry replaces, so that goes a day later.
        foreach (var old in Directory.EnumerateDirectories(folder, kind + "-????????????").Where(
            old => old != entry && DateTime.UtcNow - Directory.GetLastWriteTimeUtc(old) > KeepSuperseded))
        {
            Directory.Delete(old, recursive: true);
        }

        return entry;
    }

    private async Task<FileStream> LockAsync(CancellationToken cancellationToken)
    {
        try
        {
            Directory.CreateDirectory(folder);
            while (true)
            {
                try
                {
                    return new FileStream(Path.Combine(folder, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                }
                catch (IOException e) when ((e.HResult & 0xFFFF) == LockedByAnother)
                {
                    // Another process prepares. A file lock raises no event in .NET, so this one asks again.
                    await Task.Delay(TimeSpan.FromMilliseconds(250), cancellationToken).ConfigureAwait(false);
                }
            }
        }
        catch (UnauthorizedAccessException e)
        {
            throw new SetupException($"The cache folder {folder} may not be written: run the same command with sudo.", e);
        }
    }

    /// <summary>Stops before a download that would fill the disk.</summary>
    /// <exception cref="SetupException">There is less room than <paramref name="bytes"/>.</exception>
    public void RequireSpace(long bytes)
    {
        var free = new DriveInfo(folder).AvailableFreeSpace;
        if (free < bytes)
        {
            throw new SetupException(string.Create(CultureInfo.InvariantCulture,
                $"{folder} has {free >> 20} MiB free and {bytes >> 20} MiB are needed: make room there, or put a link to a larger disk in its place."));
        }
    }
}
