// System calls that only a hostile front-end makes.
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace Virtio.Tests;

internal static class Syscalls
{
    internal const int OpenReadOnly = 0, OpenWriteOnly = 1, OpenReadWrite = 2, OpenPathOnly = 0x200000;
    internal const uint AllowSealing = 2, HugePages = 4;

    private const int SetDescriptorFlags = 2, AddSeals = 1033, SecretMemory = 447, OpenCloseOnExec = 0x80000;

    /// <summary>Makes a memfd with any flags.</summary>
    internal static FileDescriptor NewMemFd(string name, uint flags, ulong size, Seals seals)
    {
        var descriptor = new FileDescriptor(MemFdCreate(name, flags));
        Truncate(descriptor, size);
        if (seals != Seals.None)
        {
            Assert(FCntl(descriptor, AddSeals, (nint)seals) == 0);
        }

        return descriptor;
    }

    /// <summary>Makes memory that not even the kernel sees; null where that is switched off.</summary>
    internal static FileDescriptor? NewSecretMemory(ulong size)
    {
        var number = (int)Call(SecretMemory, 0);
        if (number < 0)
        {
            return null;
        }

        var descriptor = new FileDescriptor(number);
        Truncate(descriptor, size);
        return descriptor;
    }

    internal static void Truncate(FileDescriptor descriptor, ulong size) => Assert(FTruncate(descriptor, (long)size) == 0);

    internal static bool TrySeal(FileDescriptor descriptor, Seals seals) => FCntl(descriptor, AddSeals, (nint)seals) == 0;

    /// <summary>Lets programs that this process starts have a descriptor.</summary>
    internal static void MakeInheritable(FileDescriptor descriptor) => Assert(FCntl(descriptor, SetDescriptorFlags, 0) == 0);

    /// <summary>Opens what a descriptor shows once more, with other access.</summary>
    internal static FileDescriptor OpenAgain(FileDescriptor descriptor, int access) => Open($"/proc/self/fd/{descriptor.DangerousGetHandle()}", access);

    internal static FileDescriptor Open(string path, int access)
    {
        var number = OpenFile(path, access | OpenCloseOnExec, 0);
        return number >= 0 ? new FileDescriptor(number) : throw new LinuxException($"open {path}", (Errno)Marshal.GetLastPInvokeError());
    }

    private static void Assert(bool done) => Xunit.Assert.True(done, Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));

    [DllImport("libc", EntryPoint = "memfd_create", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int MemFdCreate([MarshalAs(UnmanagedType.LPUTF8Str)] string name, uint flags);

    [DllImport("libc", EntryPoint = "open", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int OpenFile([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mode);

    [DllImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int FTruncate(SafeHandle descriptor, long length);

    [DllImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int FCntl(SafeHandle descriptor, int command, nint argument);

    [DllImport("libc", EntryPoint = "syscall", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint Call(nint number, nint argument);
}
