// What a guest program sees of TestDevices.ManyVersions, in whatever language that is written.
using TestDevice.Dependency;
using VirtioUser.Guest;
using Assert = Xunit.Assert; // not every test program has a global using

namespace NativeDevice;

/// <summary>For the test programs that have the device in several languages.</summary>
internal static class SameResults
{
    /// <summary>Checks the answers of an instance that has not been pinged, and the bytes that it finds and leaves.</summary>
    public static void AssertPings(VirtioUserDevice device)
    {
        using var memory = device.Allocate(3 * 4096);
        uint Ask(TestOperation operation, ulong argument = 0) => device.Ping(new PingRequest(TestDevices.Metadata(operation, argument)));
        uint OnBytes(TestOperation operation, ulong offset, ulong length, ulong argument = 0) =>
            device.Ping(new PingRequest(memory, offset, length, TestDevices.Metadata(operation, argument)));

        Assert.Equal(0x3FFF_FFFFu, Ask(TestOperation.Echo, 0xFFFF_FFFF));
        Assert.NotEqual(0u, Ask(TestOperation.EchoEvents));
        Assert.Equal(4u, Ask(TestOperation.Version));
        Assert.Equal(4u, Ask(TestOperation.Count));
        Assert.Equal(0u, Ask(TestOperation.Length));
        Assert.Equal(0u, Ask(TestOperation.PhysicalPage));
        Assert.Equal(5000u, OnBytes(TestOperation.Length, 17, 5000));
        Assert.Equal(OnBytes(TestOperation.PhysicalPage, 0, 1) + 2, OnBytes(TestOperation.PhysicalPage, 8192, 4096));

        Assert.Equal(1u, OnBytes(TestOperation.Fill, 0, 4096, 77));
        var expected = new byte[4096];
        Pattern.Fill(expected, 77);
        Assert.Equal(expected, memory.Span[..4096].ToArray());
        memory.Span[1000] ^= 1;
        Assert.Equal(Pattern.Checksum(memory.Span[..4096]), OnBytes(TestOperation.Checksum, 0, 4096));
        Assert.Equal(1u, OnBytes(TestOperation.Copy, 0, 8192));
        Assert.Equal(memory.Span[..4096].ToArray(), memory.Span[4096..8192].ToArray());
        Assert.Equal(-1, memory.Span[8192..].IndexOfAnyExcept((byte)0));
        Assert.Throws<PingFailedException>(() => device.Ping(PingRequest.Unchecked(0, memory.Id, 4096, 8193)));
    }

    /// <summary>Checks that events come to the instance that asked for them, in order.</summary>
    public static void AssertEvents(VirtioUserDevice device, VirtioUserDevice other)
    {
        uint Ask(VirtioUserDevice asked, TestOperation operation, ulong argument = 0) => asked.Ping(new PingRequest(TestDevices.Metadata(operation, argument)));

        Assert.Equal(1u, Ask(device, TestOperation.RaiseEvents, 100));
        Assert.Equal(1u, Ask(other, TestOperation.RaiseEvents, 3));
        Assert.Equal(1u, Ask(device, TestOperation.JoinEvents));

        Assert.Equal(Enumerable.Range(1, 100).Select(number => (uint)number), Enumerable.Range(0, 100).Select(_ => device.ReadEvent()));
        Assert.Equal([1u, 2u, 3u], Enumerable.Range(0, 3).Select(_ => other.ReadEvent()));
    }
}
