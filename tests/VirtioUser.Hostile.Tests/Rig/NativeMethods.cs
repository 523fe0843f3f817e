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

    /// <summary>A pair of Unix sockets: 1 = stream, 2 = datagram, 5 = sequenced packets.</summary>
    public static (FileDescriptor First, FileDescriptor Second) SocketPair(int type)
    {
        var pair = new int[2];
        Check(socketpair(1, type | 0x80000, 0, pair), "socketpair");
        return (new FileDescriptor(pair[0]), new FileDescriptor(pair[1]));
    }

    /// <summary>Sends a byte with descriptors, as the out-of-band byte of a stream if wanted.</summary>
    public static void SendDescriptors(FileDescriptor socket, bool outOfBand, params FileDescriptor[] descriptors)
    {
        // struct cmsghdr with its numbers, padded; then struct iovec and struct msghdr.
        var numbers = descriptors.Select(each => (int)each.DangerousGetHandle()).ToArray();
        var length = 16 + (4 * numbers.Length);
        byte[] control = [.. Wire.U64((ulong)length), .. Wire.U32(1, 1), .. MemoryMarshal.AsBytes<int>(numbers), .. new byte[-length & 7]];
        byte[] data = [1];
        var (pinnedControl, pinnedData) = (GCHandle.Alloc(control, GCHandleType.Pinned), GCHandle.Alloc(data, GCHandleType.Pinned));
        nint[] vector = [pinnedData.AddrOfPinnedObject(), data.Length];
        var pinnedVector = GCHandle.Alloc(vector, GCHandleType.Pinned);
        try
        {
            nint[] message = [0, 0, pinnedVector.AddrOfPinnedObject(), 1, pinnedControl.AddrOfPinnedObject(), control.Length, 0];
            Check((int)sendmsg(socket, message, 0x4000 | (outOfBand ? 1 : 0)), "sendmsg");
        }
        finally
        {
            pinnedVector.Free();
            pinnedData.Free();
            pinnedControl.Free();
        }
    }

    /// <summary>Sends a datagram or a packet without descriptors.</summary>
    public static void SendPacket(FileDescriptor socket, byte[] bytes) => Check((int)send(socket, bytes, bytes.Length, 0x4000), "send");

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
    private static extern int socketpair(int family, int type, int protocol, int[] pair);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint sendmsg(SafeHandle socket, nint[] message, int flags);

    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint send(SafeHandle socket, byte[] bytes, nint count, int flags);

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
