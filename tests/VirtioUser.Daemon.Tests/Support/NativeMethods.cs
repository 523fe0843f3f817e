// The calls that only a test of a daemon needs.
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace VirtioUser.Daemon.Tests.Support;

internal static partial class NativeMethods
{
    private const int SetDescriptorFlags = 2; // F_SETFD
    private const int Semaphore = 1; // EFD_SEMAPHORE

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static extern int Kill(int process, int signal);

    [DllImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static extern uint GetUserId();

    /// <summary>Lets the children of this process inherit a descriptor.</summary>
    public static void MakeInheritable(SafeHandle descriptor) =>
        Assert.Equal(0, FCntl(descriptor, SetDescriptorFlags, 0));

    /// <summary>Makes an eventfd that gives each reader one of its count.</summary>
    public static EventFd MakeSemaphore()
    {
        var number = MakeEventFd(0, Semaphore);
        Assert.True(number >= 0);
        return EventFd.FromDescriptor(new FileDescriptor(number));
    }

    [DllImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int MakeEventFd(uint count, int flags);

    [DllImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int FCntl(SafeHandle descriptor, int command, nint argument);
}
