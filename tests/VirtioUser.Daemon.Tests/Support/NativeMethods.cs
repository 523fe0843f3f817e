// The two calls that only a test of a daemon needs.
using System.Runtime.InteropServices;

namespace VirtioUser.Daemon.Tests.Support;

internal static partial class NativeMethods
{
    private const int SetDescriptorFlags = 2; // F_SETFD

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    public static extern int Kill(int process, int signal);

    /// <summary>Lets the children of this process inherit a descriptor.</summary>
    public static void MakeInheritable(SafeHandle descriptor) =>
        Assert.Equal(0, FCntl(descriptor, SetDescriptorFlags, 0));

    [DllImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int FCntl(SafeHandle descriptor, int command, nint argument);
}
