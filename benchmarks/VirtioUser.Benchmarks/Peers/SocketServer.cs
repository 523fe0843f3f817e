// The socket peer's side of the host, over a Unix socket or TCP: also QEMU's serial port ends in such a socket.
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace VirtioUser.Benchmarks.Peers;

/// <summary>
/// Reads messages (their length in 4 bytes, then as many bytes), and answers each with the 4 bytes of its checksum. A
/// thread for each connection, blocking calls and no allocation: the fastest that .NET's sockets are.
/// </summary>
internal static class SocketServer
{
    private const int BufferLength = 256 << 10;

    /// <summary>Serves until the process is ended.</summary>
    /// <param name="path">The Unix socket's path, or "tcp" for a port of the loopback address.</param>
    public static void Run(string path)
    {
        var tcp = path == "tcp";
        using Socket listener = new(tcp ? AddressFamily.InterNetwork : AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(tcp ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path));
        listener.Listen();
        Console.Error.WriteLine($"Listening on {(tcp ? ((IPEndPoint)listener.LocalEndPoint!).Port : path)}");
        while (true)
        {
            var connection = listener.Accept();
            if (tcp)
            {
                connection.NoDelay = true;
            }

            new Thread(() => Serve(connection)) { IsBackground = true }.Start();
        }
    }

    private static void Serve(Socket connection)
    {
        using (connection)
        {
            var buffer = new byte[BufferLength];
            Span<byte> header = stackalloc byte[sizeof(uint)];
            try
            {
                while (TryReceive(connection, header))
                {
                    ulong sum = 0;
                    for (var left = BinaryPrimitives.ReadUInt32LittleEndian(header); left > 0;)
                    {
                        var part = buffer.AsSpan(0, (int)Math.Min(left, BufferLength));
                        if (!TryReceive(connection, part))
                        {
                            return;
                        }

                        sum = Checksum.Add(sum, part);
                        left -= (uint)part.Length;
                    }

                    BinaryPrimitives.WriteUInt32LittleEndian(header, Checksum.Fold(sum));
                    connection.Send(header);
                }
            }
            catch (SocketException)
            {
                // The other end went away without a word, as a VM that is ended does.
            }
        }
    }

    private static bool TryReceive(Socket connection, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var count = connection.Receive(bytes);
            if (count == 0)
            {
                return false;
            }

            bytes = bytes[count..];
        }

        return true;
    }
}
