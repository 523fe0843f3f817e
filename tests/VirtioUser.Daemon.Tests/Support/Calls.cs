// Descriptors by which the daemon calls a driver.
using Microsoft.Win32.SafeHandles;
using Virtio.Linux;

namespace VirtioUser.Daemon.Tests.Support;

internal static class Calls
{
    /// <summary>Makes the next signal wait: the file behind the descriptor is the daemon's too.</summary>
    public static void Block(EventFd call)
    {
        call.Descriptor.SetNonBlocking(false);
        call.TryConsume();
        using var file = new FileStream(new SafeFileHandle(call.Descriptor.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0);
        file.Write(BitConverter.GetBytes(ulong.MaxValue - 1));
    }
}
