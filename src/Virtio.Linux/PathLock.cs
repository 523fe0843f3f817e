// Whose turn it is to change a path.
using System.Runtime.InteropServices;

namespace Virtio.Linux;

/// <summary>
/// A turn at a path: one process at a time, by a locked file beside it (<c>PATH.lock</c>). It is held only while something
/// changes, so that the file is there for moments only; one that a killed process leaves is not locked and harms nobody.
/// </summary>
internal sealed unsafe class PathLock : IDisposable
{
    // Others need milliseconds.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // O_NOFOLLOW is one of the few flags that differ.
    private static readonly int NoFollow = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 0x20000 : 0x8000;

    private const Errno LinkInTheWay = (Errno)40; // ELOOP

    private readonly FileDescriptor _file;
    private readonly string _name;

    private PathLock(FileDescriptor file, string name) => (_file, _name) = (file, name);

    /// <summary>Waits for the turn.</summary>
    /// <exception cref="LinuxException">Somebody has it for too long (<see cref="Errno.EADDRINUSE"/>), or the folder cannot be written.</exception>
    internal static PathLock Take(string path)
    {
        var name = path + ".lock";
        var deadline = Deadline.After(Patience);
        while (true)
        {
            // Not readable by others: who can open a file can lock it.
            var number = Native.Open(name, Native.O_RDWR | Native.O_CREAT | Native.O_CLOEXEC | NoFollow, 0x180);
            if (number < 0)
            {
                var errno = LinuxException.LastErrno;
                if (errno == Errno.EINTR)
                {
                    continue;
                }

                if (errno is LinkInTheWay or Errno.EISDIR)
                {
                    throw new LinuxException($"open {name} (it must be a file of its own, and is a {(errno == LinkInTheWay ? "symbolic link" : "folder")}: remove it)", errno);
                }

                // Where it is the folder that is wrong, the reader knows nothing of this file.
                throw new LinuxException(Path.Exists(name) ? $"open {name}" : $"bind {path}", errno);
            }

            var file = new FileDescriptor(number);
            if (TryLock(file, name))
            {
                return new PathLock(file, name);
            }

            file.Dispose();
            if (deadline.IsOver)
            {
                throw new LinuxException($"bind {path} (somebody holds {name})", Errno.EADDRINUSE);
            }

            Thread.Sleep(2); // there is no lock with a limit of time
        }
    }

    /// <summary>Waits for the turn, and does without it if that fails.</summary>
    internal static PathLock? TryTake(string path)
    {
        try
        {
            return Take(path);
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    /// <summary>Ends the turn and removes the file.</summary>
    public void Dispose()
    {
        try
        {
            File.Delete(_name);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // It stays, and is not locked.
        }

        _file.Dispose();
    }

    private static bool TryLock(FileDescriptor file, string name)
    {
        if (Native.FLock(file, Native.LOCK_EX | Native.LOCK_NB) < 0)
        {
            // A file system without locks: as good as one can do there.
            return LinuxException.LastErrno is not (Errno.EAGAIN or Errno.EINTR);
        }

        // Who had the turn before has removed the file: the lock that counts is on the one that has the name.
        Native.StatX status;
        return Native.GetStatus(Native.AT_FDCWD, name, Native.AT_SYMLINK_NOFOLLOW, Native.STATX_INODE, &status) == 0 && status.Identity == file.Identity;
    }
}
