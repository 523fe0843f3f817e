// The digest device against published values and .NET's own digests.
using System.Security.Cryptography;
using FsCheck.Xunit;
using VirtioUser.Devices.Digest;
using Xunit;

namespace VirtioUser.Devices.Tests;

public class DigestTests
{
    private const int Header = 64;
    private const ulong MoreFollows = 1 << 8;
    private const uint Done = 1, BadRequest = 2;

    // Of "abc": FIPS 180-4's examples, and RFC 1321's.
    [Theory]
    [InlineData(0, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")]
    [InlineData(1, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7")]
    [InlineData(2, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f")]
    [InlineData(3, "a9993e364706816aba3e25717850c26c9cd0d89d")]
    [InlineData(4, "900150983cd24fb0d6963f7d28e17f72")]
    public void Published_values_are_met(ulong algorithm, string expected)
    {
        using var device = new PingedDevice(new DigestDevice(), Header + 3);
        "abc"u8.CopyTo(device.Bytes.AsSpan(Header));

        Assert.Equal(Done, device.Ping(algorithm));

        Assert.Equal(expected, Convert.ToHexStringLower(device.Bytes.AsSpan(0, expected.Length / 2)));
        Assert.Equal("abc"u8, device.Bytes.AsSpan(Header));
    }

    [Property]
    public void An_input_in_parts_has_the_digest_of_the_whole(byte[][] parts)
    {
        var whole = parts.SelectMany(part => part).ToArray();
        using var device = new PingedDevice(new DigestDevice(), Header + whole.Length);
        foreach (var part in parts)
        {
            part.CopyTo(device.Bytes, Header);
            Assert.Equal(Done, device.Ping(MoreFollows, 0, Header + part.Length));
            Assert.False(device.Bytes.AsSpan(0, Header).ContainsAnyExcept((byte)0));
        }

        Assert.Equal(Done, device.Ping(0, 0, Header));
        Assert.Equal(SHA256.HashData(whole), device.Bytes.AsSpan(0, 32));
    }

    [Fact]
    public void The_next_input_begins_anew_and_so_does_another_algorithm()
    {
        using var device = new PingedDevice(new DigestDevice(), Header + 10);
        device.Bytes.AsSpan(Header).Fill(7);
        var input = device.Bytes.AsSpan(Header).ToArray();

        device.Ping(MoreFollows);
        device.Ping(2);
        Assert.Equal(SHA512.HashData(input), device.Bytes.AsSpan(0, 64));
        device.Ping(0);
        Assert.Equal(SHA256.HashData(input), device.Bytes.AsSpan(0, 32));
        device.Ping(0);
        Assert.Equal(SHA256.HashData(input), device.Bytes.AsSpan(0, 32));
    }

    [Theory]
    [InlineData(0ul, 63)]
    [InlineData(5ul, 64)]
    [InlineData(1ul << 9, 64)]
    [InlineData(ulong.MaxValue, 64)]
    public void Unknown_algorithms_and_bits_and_too_few_bytes_are_a_bad_request(ulong metadata, int named)
    {
        using var device = new PingedDevice(new DigestDevice(), Header);

        Assert.Equal(BadRequest, device.Ping(metadata, 0, named));
    }
}
