// The failure of a system call.
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace Virtio.Linux;

/// <summary>A system call failed. Carries which operation it was and the error number.</summary>
public sealed class LinuxException : IOException
{
    /// <summary>Makes the exception for an operation that failed with <paramref name="errno"/>.</summary>
    /// <param name="operation">What was tried, in the words of the system call, such as <c>mmap</c> or <c>open /dev/x</c>.</param>
    /// <param name="errno">The error number.</param>
    public LinuxException(string operation, Errno errno)
        : base($"{operation}: {Marshal.GetPInvokeErrorMessage((int)errno)} ({errno})")
    {
        Operation = operation;
        Errno = errno;
    }

    /// <summary>What was tried.</summary>
    public string Operation { get; }

    /// <summary>The error number; its <c>ToString</c> is the name, such as <c>ENODEV</c>.</summary>
    public Errno Errno { get; }

    /// <summary>The error number of the system call that this thread made last.</summary>
    internal static Errno LastErrno => (Errno)Marshal.GetLastPInvokeError();

    [DoesNotReturn]
    internal static void ThrowLast(string operation) => throw new LinuxException(operation, LastErrno);
}
