// System calls that only an attacker needs.
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace VirtioUser.Hostile.Tests.Rig;

internal static class NativeMethods
{
    private const int AddSeals = 1033, StopSignal = 19;

    /// <summary>A memfd without any seal.</summary>
    public static FileDescriptor MemFd(string name, ulong size, uint flags = 0)
    {
        var descriptor = new FileDescriptor(Check(memfd_create(name, flags | 3), "memfd_create"));
        Truncate(descriptor, size);
        return descriptor;
    }

    /// <summary>A memfd of huge pages, of which the system has none.</summary>
    public static FileDescriptor HugeMemFd(ulong size) => MemFd("hostile-huge", size, flags: 4);

    public static FileDescriptor Secret() => new(Check((int)syscall(447, 0, 0, 0), "memfd_secret"));

    public static void Truncate(FileDescriptor file, ulong size) => Check(ftruncate(file, (long)size), "ftruncate");

    public static void Seal(FileDescriptor file, Seals seals) => Check(fcntl(file, AddSeals, (int)seals), "fcntl");

    public static FileDescriptor SemaphoreEventFd() => new(Check(eventfd(0, 1 | 0x80000 | 0x800), "eventfd"));

    public static FileDescriptor Open(string path, int flags) => new(Check(open(path, flags | 0x80000, 0), $"open {path}"));

    public static FileDescriptor Epoll() => new(Check(epoll_create1(0x80000), "epoll_create1"));

    public static FileDescriptor Timer() => new(Check(timerfd_create(1, 0x80000), "timerfd_create"));

    public static FileDescriptor Notify() => new(Check(inotify_init1(0x80000), "inotify_init1"));

    public static FileDescriptor Process() => new(Check((int)syscall(434, Environment.ProcessId, 0, 0), "pidfd_open"));

    public static FileDescriptor Socket(int family, int type) => new(Check(socket(family, type | 0x80000, 0), "socket"));

    public static (FileDescriptor Read, FileDescriptor Write) Pipe()
    {
        var pair = new int[2];
        Check(pipe2(pair, 0x80000), "pipe2");
        return (new FileDescriptor(pair[0]), new FileDescriptor(pair[1]));
    }

    public static void Write(FileDescriptor file, byte[] bytes) => Check((int)write(file, bytes, bytes.Length), "write");

    /// <summary>Brings an eventfd to its limit, whatever its count is and whoever else signals it; it does not block then.</summary>
    public static void Fill(FileDescriptor eventFd)
    {
        eventFd.SetNonBlocking(true);
        for (var step = ulong.MaxValue - 1; step > 0; step /= 2)
        {
            _ = write(eventFd, BitConverter.GetBytes(step), 8);
        }

        for (var rest = 0; rest < 128 && write(eventFd, BitConverter.GetBytes(1UL), 8) > 0; rest++)
        {
        }
    }

    /// <summary>The same, and whoever signals it next waits.</summary>
    public static void FillAndBlock(FileDescriptor eventFd)
    {
        Fill(eventFd);
        eventFd.SetNonBlocking(false);
    }

    public static bool Signal(int process, int signal) => kill(process, signal) == 0;

    public static void Stop(int process) => Signal(process, StopSignal);

    private static int Check(int result, string what) =>
        result >= 0 ? result : throw new InvalidOperationException($"{what} failed with {Marshal.GetLastPInvokeError()}.");

#pragma warning disable IDE1006, SYSLIB1054 // the names are libc's; generated marshalling would need unsafe code
    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int memfd_create([MarshalAs(UnmanagedType.LPUTF8Str)] string name, uint flags);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int ftruncate(SafeHandle file, long size);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int fcntl(SafeHandle file, int command, nint argument);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int eventfd(uint initial, int flags);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mode);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int epoll_create1(int flags);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int timerfd_create(int clock, int flags);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int inotify_init1(int flags);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int socket(int family, int type, int protocol);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int pipe2(int[] pair, int flags);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint write(SafeHandle file, byte[] bytes, nint count);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int kill(int process, int signal);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint syscall(nint number, nint first, nint second, nint third);
#pragma warning restore IDE1006, SYSLIB1054
}
