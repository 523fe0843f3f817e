// What the gzip device makes of damaged and of odd files, against the gunzip of the system.
using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using VirtioUser.Devices.Gzip;
using Xunit;

namespace VirtioUser.Devices.Tests;

[Trait("Category", "Field")]
public class GzipDamageTests
{
    private const int Header = 8;
    private const ulong Decompress = 1UL << 63;
    private const uint Done = 1, OutputTooSmall = 2, NotGzip = 3;

    // A name and an extra field, as many bytes as another member has before its data, a comment, and a sum over the header.
    private static readonly byte[] Name = [.. "name.txt\0"u8];
    private static readonly byte[] Extra = [10, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

    public static TheoryData<string> Files => [.. Inputs.Keys];

    private static Dictionary<string, byte[]> Inputs { get; } = new()
    {
        ["empty member"] = Pack([]),
        ["one byte"] = Pack([7]),
        ["text"] = Pack(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 40).Select(i => i.ToString(CultureInfo.InvariantCulture) + " lines. ")))),
        ["stored"] = Pack(Random(300), CompressionLevel.NoCompression),
        ["random"] = Pack(Random(300)),
        ["zeros"] = Pack(new byte[100_000]),
        ["name"] = Member(8, Name, [1, 2, 3]),
        ["extra"] = Member(4, Extra, [1, 2, 3]),
        ["comment"] = Member(16, [.. "of old\0"u8], [1, 2, 3]),
        ["all fields"] = Member(2 | 4 | 8 | 16, [.. Extra, .. Name, .. "of old\0"u8], [1, 2, 3]),
        ["two members"] = [.. Pack([1, 2, 3]), .. Member(8, Name, Random(50))],
        ["three members, the second empty"] = [.. Pack(Random(20)), .. Pack([]), .. Pack(new byte[500])],
    };

    [Theory]
    [MemberData(nameof(Files))]
    public async Task A_file_that_is_cut_off_anywhere_is_what_gunzip_says(string name)
    {
        var whole = Inputs[name];
        byte[][] cut = [.. Enumerable.Range(0, whole.Length + 1).Select(length => whole[..length])];

        await AssertAsGunzip(cut);

        // Whatever gunzip says: only between members a file can end.
        Assert.Equal(NotGzip, Unpack([], out _));
        Assert.Equal(NotGzip, Unpack(whole[..^1], out _));
        Assert.Equal(Done, Unpack(whole, out _));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task A_file_with_one_byte_changed_is_what_gunzip_says(string name)
    {
        var whole = Inputs[name];
        var random = new Random(name.Length);
        await AssertAsGunzip([.. Enumerable.Range(0, whole.Length).Select(at =>
        {
            var changed = (byte[])whole.Clone();
            changed[at] ^= (byte)(1 << random.Next(8));
            return changed;
        })]);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public async Task What_follows_the_last_member_is_what_gunzip_says(string name)
    {
        var whole = Inputs[name];
        byte[][] tails =
        [
            [0], [0, 0], new byte[7], new byte[8], new byte[9], new byte[512], new byte[20_000], [0, 0, 1], [.. new byte[600], 1],
            [1], [.. "x"u8], [.. "garbage behind it"u8], Random(10_000), [0x1F], [0x1F, 0], [0x1F, 0x1F, 0x8B], [0x1F, 0x8B], [0x1F, 0x8B, 8],
            [0x1F, 0x8B, 7, 0, 0, 0, 0, 0, 0, 3], [0x1F, 0x8B, 8, 0x20, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, .. whole], [1, .. whole],
            whole, [.. whole, .. whole[..^1]], [.. whole, 0, 0], [.. whole[^8..]], [.. whole[^9..]],
        ];
        await AssertAsGunzip([.. tails.Select(tail => (byte[])[.. whole, .. tail])]);
    }

    [Theory]
    [InlineData(0x20)]
    [InlineData(0x40)]
    [InlineData(0x80)]
    [InlineData(0xFF)]
    public void Flags_that_are_reserved_are_refused(byte flags)
    {
        var file = Pack([1, 2, 3]);
        file[3] = flags;

        Assert.Equal(NotGzip, Unpack(file, out _));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0x1E)]
    [InlineData(0x9D)]
    [InlineData(0x9E)]
    [InlineData(0xA0)]
    public void Other_formats_are_refused_also_behind_a_member(byte second)
    {
        byte[] other = [0x1F, second, .. Pack([1, 2, 3])[2..]];

        Assert.Equal(NotGzip, Unpack(other, out _));
        Assert.Equal(second == 0 ? Done : NotGzip, Unpack([.. Pack([1]), .. other], out _));
    }

    [Fact]
    public void Large_members_one_behind_the_other_are_read_to_the_byte()
    {
        byte[] input = [.. Random(300_000), .. new byte[300_000], .. Random(1)];
        byte[] file = [.. Pack(input), .. Pack(input, CompressionLevel.NoCompression), .. Pack([]), .. Pack(input, CompressionLevel.Fastest), .. new byte[9000]];

        Assert.Equal(Done, Unpack(file, out var output));
        Assert.Equal([.. input, .. input, .. input], output);

        file[^9001] ^= 1; // the last byte of the last member's length
        Assert.Equal(NotGzip, Unpack(file, out _));
    }

    [Fact]
    public void An_output_that_fits_to_the_byte_is_done_also_for_several_members()
    {
        byte[] file = [.. Pack(Random(1000)), .. Pack(new byte[1000])];

        Assert.Equal(Done, Unpack(file, out _, room: 2000));
        Assert.Equal(OutputTooSmall, Unpack(file, out _, room: 1999));
        Assert.Equal(OutputTooSmall, Unpack(file, out _, room: 1000));
        Assert.Equal(OutputTooSmall, Unpack(file, out _, room: 0));
        Assert.Equal(Done, Unpack([.. Pack([]), .. Pack([])], out _, room: 0));
    }

    private static async Task AssertAsGunzip(byte[][] files)
    {
        var expected = await GunzipAsync(files);
        for (var i = 0; i < files.Length; i++)
        {
            var answer = Unpack(files[i], out var output);
            var said = $"file {i}, {files[i].Length} bytes ({Convert.ToHexString(files[i].AsSpan(0, Math.Min(40, files[i].Length)))}...): " +
                $"gunzip {expected[i].Status}, the device {answer}";
            Assert.True((answer == Done) == (expected[i].Status != 1), said);
            if (answer == Done)
            {
                Assert.True(expected[i].Output.AsSpan().SequenceEqual(output), said);
            }
            else
            {
                Assert.True(answer == NotGzip, said);
            }
        }
    }

    /// <summary>What gunzip says to each: 0 good, 2 good with a warning, 1 bad.</summary>
    private static async Task<(int Status, byte[] Output)[]> GunzipAsync(byte[][] files)
    {
        var folder = Directory.CreateTempSubdirectory("gunzip-");
        try
        {
            for (var i = 0; i < files.Length; i++)
            {
                await File.WriteAllBytesAsync(Path.Combine(folder.FullName, $"{i}"), files[i], TestContext.Current.CancellationToken);
            }

            var script = $"i=0; while [ $i -lt {files.Length} ]; do gunzip -c <$i >$i.out 2>/dev/null; echo $?; i=$((i + 1)); done";
            using var shell = Process.Start(new ProcessStartInfo("sh", ["-c", script]) { WorkingDirectory = folder.FullName, RedirectStandardOutput = true })!;
            var statuses = (await shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(files.Length, statuses.Length);
            return [.. statuses.Select((status, i) => (
                int.Parse(status, CultureInfo.InvariantCulture), File.ReadAllBytes(Path.Combine(folder.FullName, $"{i}.out"))))];
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static uint Unpack(byte[] file, out byte[] output, int room = 2_000_000)
    {
        using var device = new PingedDevice(new GzipDevice(), Header + file.Length + room);
        file.CopyTo(device.Bytes, Header);
        var answer = device.Ping((uint)file.Length | Decompress);
        output = answer == Done ? device.Bytes[(Header + file.Length)..][..(int)BinaryPrimitives.ReadUInt64LittleEndian(device.Bytes)] : [];
        return answer;
    }

    /// <summary>A member with optional fields, and the header's sum if the flags want it.</summary>
    private static byte[] Member(byte flags, byte[] fields, byte[] content)
    {
        byte[] header = [0x1F, 0x8B, 8, flags, 1, 2, 3, 4, 0, 3, .. fields];
        var sum = (flags & 2) == 0 ? [] : System.IO.Hashing.Crc32.Hash(header)[..2];
        return [.. header, .. sum, .. Pack(content)[10..]];
    }

    private static byte[] Pack(byte[] input, CompressionLevel level = CompressionLevel.Optimal)
    {
        if (input.Length == 0)
        {
            return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        }

        var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, level))
        {
            gzip.Write(input);
        }

        return packed.ToArray();
    }

    private static byte[] Random(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}
