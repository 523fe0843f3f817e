// The devices that ship with the project, through a daemon.
using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class DeviceTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    private const uint Gzip = 1, Digest = 2;

    [Fact]
    public void Gzip_compresses_in_place_what_gzip_can_read()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create(Gzip);
        var shared = driver.Allocate(instance, 1 << 20);
        var input = new byte[300_000];
        new Random(1).NextBytes(input.AsSpan(0, 100_000));
        input.CopyTo(driver.Bytes(shared)[8..]);

        var revents = driver.Call(new PingMessage { InstanceHandle = instance, Metadata = (ulong)input.Length, ShmId = shared.Id, ShmSize = shared.Size, Events = 1 });

        Assert.Equal(1u, revents);
        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(driver.Bytes(shared));
        using var unzip = new GZipStream(new MemoryStream(driver.Bytes(shared).Slice(8 + input.Length, length).ToArray()), CompressionMode.Decompress);
        using var output = new MemoryStream();
        unzip.CopyTo(output);
        Assert.Equal(input, output.ToArray());
    }

    [Fact]
    public void Digest_writes_the_digest_of_the_bytes_behind_it()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create(Digest);
        var shared = driver.Allocate(instance, 1 << 20);
        new Random(2).NextBytes(driver.Bytes(shared)[64..]);
        var expected = SHA256.HashData(driver.Bytes(shared)[64..]);

        var revents = driver.Call(new PingMessage { InstanceHandle = instance, ShmId = shared.Id, ShmSize = shared.Size, Events = 1 });

        Assert.Equal(1u, revents);
        Assert.Equal(expected, driver.Bytes(shared)[..32]);
    }
}
