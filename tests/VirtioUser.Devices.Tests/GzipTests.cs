// The gzip device against .NET's reader and against the gunzip of the system.
using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
using FsCheck.Xunit;
using VirtioUser.Devices.Gzip;
using Xunit;

namespace VirtioUser.Devices.Tests;

public class GzipTests
{
    private const int Header = 8;
    private const ulong Decompress = 1UL << 63;
    private const uint Done = 1, OutputTooSmall = 2, NotGzip = 3, BadRequest = 4;

    [Property]
    public void What_is_compressed_and_decompressed_is_what_it_was(byte[] input)
    {
        using var device = new PingedDevice(new GzipDevice(), Header + (2 * input.Length) + 64);
        input.CopyTo(device.Bytes, Header);
        Assert.Equal(Done, device.Ping((ulong)input.Length));
        var packed = Output(device, input.Length).ToArray();
        Assert.Equal(input, Unpack(packed));

        packed.CopyTo(device.Bytes, Header);
        Assert.Equal(Done, device.Ping((uint)packed.Length | Decompress));
        Assert.Equal(input, Output(device, packed.Length));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1_000_000)]
    public async Task The_system_s_gunzip_reads_it(int length)
    {
        using var device = new PingedDevice(new GzipDevice(), Header + (2 * length) + 64);
        new Random(1).NextBytes(device.Bytes.AsSpan(Header, length / 2));
        var input = device.Bytes.AsSpan(Header, length).ToArray();
        Assert.Equal(Done, device.Ping((ulong)length));

        using var gunzip = Process.Start(new ProcessStartInfo("gunzip", "-c") { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var output = new MemoryStream();
        var reading = gunzip.StandardOutput.BaseStream.CopyToAsync(output, TestContext.Current.CancellationToken);
        await gunzip.StandardInput.BaseStream.WriteAsync(Output(device, length).ToArray(), TestContext.Current.CancellationToken);
        gunzip.StandardInput.Close();
        await reading;
        await gunzip.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, gunzip.ExitCode);
        Assert.Equal(input, output.ToArray());
    }

    [Fact]
    public void Output_that_fits_to_the_byte_is_done_and_one_byte_less_is_too_small()
    {
        var input = new byte[10_000];
        new Random(2).NextBytes(input);
        var packed = Pack(input);

        Assert.Equal(Done, Try(input, 0, packed.Length, out _));
        Assert.Equal(OutputTooSmall, Try(input, 0, packed.Length - 1, out _));
        Assert.Equal(OutputTooSmall, Try(input, 0, 0, out _));
        Assert.Equal(Done, Try(packed, Decompress, input.Length, out var unpacked));
        Assert.Equal(input, unpacked);
        Assert.Equal(OutputTooSmall, Try(packed, Decompress, input.Length - 1, out _));
        Assert.Equal(OutputTooSmall, Try(packed, Decompress, 0, out _));
    }

    [Fact]
    public void Nothing_is_touched_outside_the_named_bytes()
    {
        using var device = new PingedDevice(new GzipDevice(), 4096);
        device.Bytes.AsSpan().Fill(0xAA);

        Assert.Equal(Done, device.Ping(100, 1000, 1000));

        Assert.False(device.Bytes.AsSpan(0, 1000).ContainsAnyExcept((byte)0xAA));
        Assert.False(device.Bytes.AsSpan(2000).ContainsAnyExcept((byte)0xAA));
    }

    [Fact]
    public void What_is_not_gzip_is_said_so()
    {
        var damaged = Pack(new byte[1000]);
        damaged[^8] ^= 1;

        Assert.Equal(NotGzip, Try([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], Decompress, 100, out _));
        Assert.Equal(NotGzip, Try(damaged, Decompress, 2000, out _));
    }

    [Theory]
    [InlineData(0ul, 7)]
    [InlineData(1ul, 8)]
    [InlineData(93ul, 100)]
    [InlineData(ulong.MaxValue >> 1, 100)]
    [InlineData(ulong.MaxValue, 100)]
    public void Lengths_that_do_not_fit_are_a_bad_request(ulong metadata, int named)
    {
        using var device = new PingedDevice(new GzipDevice(), 200);

        Assert.Equal(BadRequest, device.Ping(metadata, 0, named));
    }

    private static uint Try(byte[] input, ulong bits, int room, out byte[] output)
    {
        using var device = new PingedDevice(new GzipDevice(), Header + input.Length + room);
        input.CopyTo(device.Bytes, Header);
        var answer = device.Ping((uint)input.Length | bits);
        output = answer == Done ? Output(device, input.Length).ToArray() : [];
        return answer;
    }

    private static Span<byte> Output(PingedDevice device, int inputLength) =>
        device.Bytes.AsSpan(Header + inputLength, (int)BinaryPrimitives.ReadUInt64LittleEndian(device.Bytes));

    private static byte[] Pack(byte[] input)
    {
        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Optimal))
        {
            gzip.Write(input);
        }

        return packed.ToArray();
    }

    private static byte[] Unpack(byte[] packed)
    {
        var output = new MemoryStream();
        using var gzip = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress);
        gzip.CopyTo(output);
        return output.ToArray();
    }
}
