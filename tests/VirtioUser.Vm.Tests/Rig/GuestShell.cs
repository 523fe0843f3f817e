// What a shell in the guest can do with a device, without any library.
using System.Buffers.Binary;
using TestDevice.Dependency;

namespace VirtioUser.Vm.Tests;

/// <summary>Script lines for the guest's sh.</summary>
internal static class GuestShell
{
    /// <summary>The node of the device that does what its pings say.</summary>
    public const string Node = "/dev/virtio-user/5655:7e57:01";

    /// <summary>Writes one ping without memory to file descriptor 3 (uapi <c>struct virtio_user_ping</c>).</summary>
    public static string Ping(TestOperation operation, ulong argument = 0, uint events = 0)
    {
        var ping = new byte[40];
        BinaryPrimitives.WriteUInt64LittleEndian(ping, TestDevices.Metadata(operation, argument));
        BinaryPrimitives.WriteUInt32LittleEndian(ping.AsSpan(32), events);
        return $"printf '{string.Concat(ping.Select(value => "\\" + Convert.ToString(value, 8).PadLeft(3, '0')))}' >&3";
    }

    /// <summary>Opens the node as file descriptor 3.</summary>
    public static string Open => $"exec 3<>{Node}";

    /// <summary>Reads one event from file descriptor 3 and prints it as an unsigned number.</summary>
    public static string ReadEvent => "head -c 4 <&3 | od -An -tu4 | tr -d ' '";
}
