// The system calls, as libc declares them. Wrappers in the other files give them contracts.
using System.Runtime.InteropServices;

namespace Virtio.Linux;

internal static unsafe partial class Native
{
    private const string LibC = "libc";

    internal const int O_RDWR = 2, O_CREAT = 0x40, O_NONBLOCK = 0x800, O_CLOEXEC = 0x80000;
    internal const int F_GETFD = 1, F_SETFD = 2, FD_CLOEXEC = 1, F_GETFL = 3, F_SETFL = 4, F_DUPFD_CLOEXEC = 1030, F_ADD_SEALS = 1033, F_GET_SEALS = 1034;
    internal const uint MFD_CLOEXEC = 1, MFD_ALLOW_SEALING = 2;
    internal const int FALLOC_FL_KEEP_SIZE = 1, FALLOC_FL_PUNCH_HOLE = 2;
    internal const int PROT_NONE = 0, PROT_READ = 1, PROT_WRITE = 2;
    internal const int MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANONYMOUS = 0x20, MAP_NORESERVE = 0x4000;
    internal const int MREMAP_MAYMOVE = 1, MREMAP_FIXED = 2;
    internal const int LOCK_EX = 2, LOCK_NB = 4;
    internal const int RTLD_NOW = 2;
    internal const int EFD_NONBLOCK = O_NONBLOCK, EFD_CLOEXEC = O_CLOEXEC;
    internal const int RWF_NOWAIT = 8;
    internal const int EPOLL_CLOEXEC = O_CLOEXEC, EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2;
    internal const uint EPOLLET = 1u << 31;
    internal const int AF_UNIX = 1, SOCK_STREAM = 1, SOCK_CLOEXEC = O_CLOEXEC, SCM_RIGHTS = 1, SCM_PIDFD = 4, SHUT_RDWR = 2;
    internal const int SOL_SOCKET = 1, SO_TYPE = 3, SO_OOBINLINE = 10, SO_LINGER = 13, SO_PEERCRED = 17, SO_SNDTIMEO = 21, SO_ACCEPTCONN = 30, SO_DOMAIN = 39;
    internal const nuint FIONREAD = 0x541B;
    internal const int MSG_PEEK = 2, MSG_CTRUNC = 8, MSG_DONTWAIT = 0x40, MSG_NOSIGNAL = 0x4000, MSG_CMSG_CLOEXEC = 0x40000000;
    internal const int AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, AT_EMPTY_PATH = 0x1000;
    internal const uint STATX_TYPE = 1, STATX_INODE = 0x100, STATX_SIZE = 0x200;
    internal const ushort S_IFMT = 0xf000, S_IFSOCK = 0xc000, S_IFREG = 0x8000;

    /// <summary><c>struct pollfd</c></summary>
    internal struct PollFd
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }

    /// <summary><c>struct ucred</c></summary>
    internal struct Credentials
    {
        internal int ProcessId;
        internal uint UserId;
        internal uint GroupId;
    }

    /// <summary><c>struct iovec</c></summary>
    internal struct IoVec
    {
        internal void* Base;
        internal nuint Length;
    }

    /// <summary><c>struct msghdr</c> of 64-bit Linux.</summary>
    internal struct MessageHeader
    {
        internal void* Name;
        internal uint NameLength;
        internal IoVec* Vectors;
        internal nuint VectorCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    /// <summary><c>struct cmsghdr</c> of 64-bit Linux.</summary>
    internal struct ControlHeader
    {
        internal nuint Length;
        internal int Level;
        internal int Type;
    }

    /// <summary>The fields that we read of <c>struct statx</c>, which is the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct StatX
    {
        [FieldOffset(28)] internal ushort Mode;
        [FieldOffset(32)] internal ulong Inode;
        [FieldOffset(40)] internal ulong Size;
        [FieldOffset(136)] internal uint DeviceMajor;
        [FieldOffset(140)] internal uint DeviceMinor;

        internal readonly FileIdentity Identity => new((ulong)DeviceMajor << 32 | DeviceMinor, Inode);
    }

    /// <summary>The fields that we read of <c>struct statfs</c> of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    internal struct StatFs
    {
        [FieldOffset(0)] internal long Type;
        [FieldOffset(8)] internal long BlockSize;
    }

    [LibraryImport(LibC, EntryPoint = "fstatfs", SetLastError = true)]
    internal static partial int GetFileSystem(FileDescriptor descriptor, StatFs* result);

    [LibraryImport(LibC, EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int descriptor);

    [LibraryImport(LibC, EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, uint mode);

    [LibraryImport(LibC, EntryPoint = "read", SetLastError = true)]
    internal static partial nint Read(FileDescriptor descriptor, void* buffer, nuint count);

    [LibraryImport(LibC, EntryPoint = "preadv2", SetLastError = true)]
    internal static partial nint ReadVector(FileDescriptor descriptor, IoVec* vectors, int count, long offset, int flags);

    [LibraryImport(LibC, EntryPoint = "write", SetLastError = true)]
    internal static partial nint Write(FileDescriptor descriptor, void* buffer, nuint count);

    [LibraryImport(LibC, EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int IoCtl(FileDescriptor descriptor, nuint request, void* argument);

    [LibraryImport(LibC, EntryPoint = "getsockopt", SetLastError = true)]
    internal static partial int GetSocketOption(FileDescriptor socket, int level, int option, void* value, int* length);

    [LibraryImport(LibC, EntryPoint = "setsockopt", SetLastError = true)]
    internal static partial int SetSocketOption(FileDescriptor socket, int level, int option, void* value, int length);

    [LibraryImport(LibC, EntryPoint = "fcntl", SetLastError = true)]
    internal static partial int FCntl(FileDescriptor descriptor, int command, nint argument);

    [LibraryImport(LibC, EntryPoint = "fchmod", SetLastError = true)]
    internal static partial int FChMod(FileDescriptor descriptor, uint mode);

    [LibraryImport(LibC, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int GetStatus(FileDescriptor descriptor, string path, int flags, uint mask, StatX* result);

    [LibraryImport(LibC, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int GetStatus(int folder, string path, int flags, uint mask, StatX* result);

    [LibraryImport(LibC, EntryPoint = "readlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint ReadLink(string path, byte* buffer, nuint size);

    [LibraryImport(LibC, EntryPoint = "poll", SetLastError = true)]
    internal static partial int Poll(PollFd* descriptors, nuint count, int timeoutMilliseconds);

    [LibraryImport(LibC, EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int MemFdCreate(string name, uint flags);

    [LibraryImport(LibC, EntryPoint = "ftruncate", SetLastError = true)]
    internal static partial int FTruncate(FileDescriptor descriptor, long length);

    [LibraryImport(LibC, EntryPoint = "fallocate", SetLastError = true)]
    internal static partial int FAllocate(FileDescriptor descriptor, int mode, long offset, long length);

    [LibraryImport(LibC, EntryPoint = "mmap", SetLastError = true)]
    internal static partial nint MMap(nint address, nuint length, int protection, int flags, int descriptor, long offset);

    [LibraryImport(LibC, EntryPoint = "munmap", SetLastError = true)]
    internal static partial int MUnmap(nint address, nuint length);

    [LibraryImport(LibC, EntryPoint = "mremap", SetLastError = true)]
    internal static partial nint MRemap(nint address, nuint oldLength, nuint newLength, int flags, nint newAddress);

    [LibraryImport(LibC, EntryPoint = "mprotect", SetLastError = true)]
    internal static partial int MProtect(nint address, nuint length, int protection);

    [LibraryImport(LibC, EntryPoint = "pread", SetLastError = true)]
    internal static partial nint ReadAt(FileDescriptor descriptor, nint buffer, nuint count, long offset);

    [LibraryImport(LibC, EntryPoint = "pwrite", SetLastError = true)]
    internal static partial nint WriteAt(FileDescriptor descriptor, nint buffer, nuint count, long offset);

    [LibraryImport(LibC, EntryPoint = "dlopen", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint DlOpen(string path, int flags);

    [LibraryImport(LibC, EntryPoint = "dlerror")]
    internal static partial nint DlError();

    [LibraryImport(LibC, EntryPoint = "eventfd", SetLastError = true)]
    internal static partial int EventFd(uint initial, int flags);

    [LibraryImport(LibC, EntryPoint = "epoll_create1", SetLastError = true)]
    internal static partial int EPollCreate(int flags);

    [LibraryImport(LibC, EntryPoint = "epoll_ctl", SetLastError = true)]
    internal static partial int EPollControl(FileDescriptor poll, int operation, FileDescriptor descriptor, void* epollEvent);

    [LibraryImport(LibC, EntryPoint = "epoll_wait", SetLastError = true)]
    internal static partial int EPollWait(FileDescriptor poll, void* events, int maximum, int timeoutMilliseconds);

    [LibraryImport(LibC, EntryPoint = "socket", SetLastError = true)]
    internal static partial int Socket(int family, int type, int protocol);

    [LibraryImport(LibC, EntryPoint = "socketpair", SetLastError = true)]
    internal static partial int SocketPair(int family, int type, int protocol, int* pair);

    [LibraryImport(LibC, EntryPoint = "bind", SetLastError = true)]
    internal static partial int Bind(FileDescriptor socket, byte* address, uint length);

    [LibraryImport(LibC, EntryPoint = "getsockname", SetLastError = true)]
    internal static partial int GetSocketName(FileDescriptor socket, byte* address, uint* length);

    [LibraryImport(LibC, EntryPoint = "getpeername", SetLastError = true)]
    internal static partial int GetPeerName(FileDescriptor socket, byte* address, uint* length);

    [LibraryImport(LibC, EntryPoint = "flock", SetLastError = true)]
    internal static partial int FLock(FileDescriptor descriptor, int operation);

    [LibraryImport(LibC, EntryPoint = "listen", SetLastError = true)]
    internal static partial int Listen(FileDescriptor socket, int backlog);

    [LibraryImport(LibC, EntryPoint = "accept4", SetLastError = true)]
    internal static partial int Accept(FileDescriptor socket, void* address, void* length, int flags);

    [LibraryImport(LibC, EntryPoint = "connect", SetLastError = true)]
    internal static partial int Connect(FileDescriptor socket, byte* address, uint length);

    [LibraryImport(LibC, EntryPoint = "shutdown", SetLastError = true)]
    internal static partial int Shutdown(FileDescriptor socket, int how);

    [LibraryImport(LibC, EntryPoint = "sendmsg", SetLastError = true)]
    internal static partial nint SendMessage(FileDescriptor socket, MessageHeader* message, int flags);

    [LibraryImport(LibC, EntryPoint = "recvmsg", SetLastError = true)]
    internal static partial nint ReceiveMessage(FileDescriptor socket, MessageHeader* message, int flags);
}
