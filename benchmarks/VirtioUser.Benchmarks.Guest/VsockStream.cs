// A vsock, for which .NET has no address family.
using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace VirtioUser.Benchmarks.Guest;

/// <summary>Connects to a port of the host over AF_VSOCK.</summary>
internal static class VsockStream
{
    private const int Family = 40; // AF_VSOCK
    private const uint HostCid = 2; // VMADDR_CID_HOST
    private const int StreamType = 1; // SOCK_STREAM
    private const int BufferSize = 0, BufferMaxSize = 2; // SO_VM_SOCKETS_BUFFER_SIZE and SO_VM_SOCKETS_BUFFER_MAX_SIZE
    private const int SocketLevel = 1, ReceiveTimeout = 20, SendTimeout = 21; // SOL_SOCKET, SO_RCVTIMEO, SO_SNDTIMEO
    private const long PatienceSeconds = 60;

    /// <summary>Connects.</summary>
    /// <param name="port">The port's number.</param>
    /// <param name="bufferBytes">
    /// How much either side may have on its way. It must be what the device on the host takes: with more there than here the
    /// first large message hangs, with less one packet is on its way at a time.
    /// </param>
    /// <returns>The caller's. A read or a write that gets nowhere for a minute throws instead of waiting for ever.</returns>
    /// <exception cref="Win32Exception">There is no vsock, or nobody listens.</exception>
    public static Stream Connect(uint port, ulong bufferBytes)
    {
        var handle = OpenSocket(Family, StreamType, 0);
        try
        {
            Check(handle.IsInvalid ? -1 : 0);
            Check(SetNumber(handle, Family, BufferMaxSize, bufferBytes, sizeof(ulong))); // the limit first
            Check(SetNumber(handle, Family, BufferSize, bufferBytes, sizeof(ulong)));
            Check(SetTime(handle, SocketLevel, ReceiveTimeout, [PatienceSeconds, 0], 2 * sizeof(long)));
            Check(SetTime(handle, SocketLevel, SendTimeout, [PatienceSeconds, 0], 2 * sizeof(long)));
            var address = new byte[16]; // struct sockaddr_vm: family, reserved, port, CID, and zeros
            BinaryPrimitives.WriteUInt16LittleEndian(address, Family);
            BinaryPrimitives.WriteUInt32LittleEndian(address.AsSpan(4), port);
            BinaryPrimitives.WriteUInt32LittleEndian(address.AsSpan(8), HostCid);
            Check(ConnectSocket(handle, address, (uint)address.Length));
            return new FileStream(handle, FileAccess.ReadWrite, bufferSize: 0);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static void Check(int result)
    {
        if (result < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    // DllImport and not LibraryImport, whose generated code is unsafe: all of that is in Virtio.Linux.
    [DllImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static extern SafeFileHandle OpenSocket(int family, int type, int protocol);

    [DllImport("libc", EntryPoint = "connect", SetLastError = true)]
    private static extern int ConnectSocket(SafeFileHandle socket, byte[] address, uint length);

    [DllImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static extern int SetNumber(SafeFileHandle socket, int level, int option, in ulong value, uint length);

    [DllImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static extern int SetTime(SafeFileHandle socket, int level, int option, long[] secondsAndMicroseconds, uint length);
}
