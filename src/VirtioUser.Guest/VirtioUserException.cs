// What went wrong, with which device, in which operation.
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace VirtioUser.Guest;

/// <summary>An operation on a virtio-user device failed.</summary>
public class VirtioUserException : IOException
{
    /// <summary>Makes the exception for an error number, whose name and text go into the message.</summary>
    /// <param name="device">The device, in the form of its node's name.</param>
    /// <param name="operation">What was tried.</param>
    /// <param name="errno">The error number.</param>
    /// <param name="innerException">The failed system call, if there was one.</param>
    public VirtioUserException(string device, string operation, Errno errno, Exception? innerException = null)
        : this(device, operation, errno, TextOf(errno), innerException)
    {
    }

    /// <summary>Makes the exception with a text of its own.</summary>
    /// <param name="device">The device, in the form of its node's name.</param>
    /// <param name="operation">What was tried.</param>
    /// <param name="errno">The error number.</param>
    /// <param name="reason">What went wrong.</param>
    /// <param name="innerException">The failed system call, if there was one.</param>
    public VirtioUserException(string device, string operation, Errno errno, string reason, Exception? innerException = null)
        : base($"{device}: {operation}: {reason}", innerException)
    {
        Device = device;
        Operation = operation;
        Errno = errno;
    }

    /// <summary>The system's text for an error number, with its name.</summary>
    internal static string TextOf(Errno errno) => $"{Marshal.GetPInvokeErrorMessage((int)errno)} ({errno})";

    /// <summary>The device, in the form of its node's name (<c>5655:0001:01</c>).</summary>
    public string Device { get; }

    /// <summary>What was tried: open, ping, allocate, free, export, import, map, read.</summary>
    public string Operation { get; }

    /// <summary>The error number; <see cref="Errno.None"/> where the host, not the kernel, refused.</summary>
    public Errno Errno { get; }
}
