// What is made of pictures: listings, PNG files, sheets.
using System.Globalization;
using System.Security.Cryptography;
using BigGustave;
using VirtioUser.Codec.Play.Pictures;
using VirtioUser.Codec.Play.Writing;
using VirtioUser.Codec.UnitTests.Support;

namespace VirtioUser.Codec.UnitTests;

public sealed class WriterTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vu-play-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void The_listing_is_what_ffmpeg_writes()
    {
        StringWriter text = new(CultureInfo.InvariantCulture);
        using FrameMd5Writer writer = new(text);
        writer.WriteHeader((1, 25), 178, 98, (784, 801));
        writer.WriteLine(1, 52332, Convert.FromHexString("741922f18c10a3bd6bc07c513fc86388"));
        writer.Complete(null);
        Assert.Equal(
            """
            #format: frame checksums
            #version: 2
            #hash: MD5
            #tb 0: 1/25
            #media_type 0: video
            #codec_id 0: rawvideo
            #dimensions 0: 178x98
            #sar 0: 784/801
            #stream#, dts,        pts, duration,     size, hash
            0,          1,          1,        1,    52332, 741922f18c10a3bd6bc07c513fc86388

            """,
            string.Join('\n', text.ToString().Split('\n').Where(line => !line.StartsWith("#software: vu-play", StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData(8, 16u)]
    [InlineData(8, 8u)]
    [InlineData(10, 32u)]
    public void Sums_are_those_of_all_samples_and_nothing_between_them(int bits, uint stride)
    {
        using ScriptedDevice device = new();
        var entry = device.SmallFrame with { Bits = (uint)bits, AspectNumerator = 4, AspectDenominator = 3, Timestamp = 10, Duration = 1 };
        for (var plane = 0; plane < 3; plane++)
        {
            entry.Stride[plane] = plane == 0 ? stride : stride / 2;
        }

        RandomNumberGenerator.Fill(device.Bytes(device.FramesOffset, 1024));
        List<byte> samples = [];
        for (var plane = 0; plane < 3; plane++)
        {
            var (width, height) = plane == 0 ? (8, 6) : (4, 3);
            for (var row = 0; row < height; row++)
            {
                samples.AddRange(device.Bytes(entry.Plane[plane] + (ulong)(row * entry.Stride[plane]), width * (bits > 8 ? 2 : 1)));
            }
        }

        StringWriter text = new(CultureInfo.InvariantCulture);
        using FrameMd5Writer writer = new(text);
        using (var frame = device.Pass(entry).Frame!)
        {
            writer.Write(frame, 0);
        }

        using (var frame = device.Pass(entry with { Timestamp = 13 }).Frame!)
        {
            writer.Write(frame, 1);
        }

#pragma warning disable CA5351 // What is tested is MD5.
        var sum = Convert.ToHexStringLower(MD5.HashData(samples.ToArray()));
#pragma warning restore CA5351
        var lines = text.ToString().Split('\n');
        Assert.Contains("#sar 0: 4/3", lines);
        Assert.Equal($"0,         10,         10,        1, {samples.Count,8}, {sum}", lines[^3]);
        Assert.Equal($"0,         13,         13,        1, {samples.Count,8}, {sum}", lines[^2]);
    }

    [Fact]
    public void A_PNG_file_holds_the_same_pixels()
    {
        RgbImage image = new(13, 7);
        RandomNumberGenerator.Fill(image.Bytes);
        var path = Path.Combine(_folder.FullName, "picture.png");
        image.Save(path);
        Assert.Equal(image.Bytes, PixelsOf(path, 13, 7));
    }

    [Fact]
    public void Every_few_pictures_become_files_with_their_numbers()
    {
        using ScriptedDevice device = new();
        var path = Path.Combine(_folder.FullName, "pictures");
        using PngFolder writer = new(path, every: 3);
        for (var i = 0; i < 7; i++)
        {
            device.Bytes(device.FramesOffset, 1024).Fill((byte)(16 + i));
            device.Bytes(device.FramesOffset + 128, 256).Fill(128);
            using var frame = device.Pass(device.SmallFrame).Frame!;
            writer.Write(frame, i);
        }

        Assert.Equal(["frame-000000.png", "frame-000003.png", "frame-000006.png"], Directory.GetFiles(path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.All(PixelsOf(Path.Combine(path, "frame-000003.png"), 8, 6), each => Assert.Equal(3, each));
    }

    [Theory]
    [InlineData(8)]
    [InlineData(10)]
    public void A_small_picture_has_the_averages_of_the_large_one(int bits)
    {
        using ScriptedDevice device = new();
        var entry = device.SmallFrame with { Bits = (uint)bits, Planes = 1 };
        var bytes = bits > 8 ? 2 : 1;
        for (var row = 0; row < 6; row++)
        {
            for (var column = 0; column < 8; column++)
            {
                // Left half: 30 and 40 in turns; right half: 100 above, 200 below.
                var value = column < 4 ? 30 + (10 * ((row + column) % 2)) : row < 3 ? 100 : 200;
                var sample = BitConverter.GetBytes((ushort)(value << (bits - 8)));
                sample.AsSpan(0, bytes).CopyTo(device.Bytes(device.FramesOffset + (ulong)((row * 16) + (column * bytes)), bytes));
            }
        }

        using var frame = device.Pass(entry).Frame!;
        var rows = PictureConverter.Shrink(frame, 2, 2);

        // (35 - 16) * 255 / 219 and so on, within one for rounding.
        Assert.InRange(rows.Row(0)[0], 21, 23);
        Assert.InRange(rows.Row(0)[3], 97, 99);
        Assert.InRange(rows.Row(1)[0], 21, 23);
        Assert.InRange(rows.Row(1)[3], 213, 215);
    }

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(5, 4, 2)]
    [InlineData(12, 4, 3)]
    [InlineData(1000, 4, 3)]
    public void A_sheet_has_as_many_pictures_as_there_are_up_to_twelve(int pictures, int columns, int rows)
    {
        using ScriptedDevice device = new();
        var path = Path.Combine(_folder.FullName, "sheet.png");
        using ContactSheet sheet = new(path);
        device.Bytes(device.FramesOffset, 1024).Fill(128);
        for (var i = 0; i < pictures; i++)
        {
            using var frame = device.Pass(device.SmallFrame).Frame!;
            sheet.Write(frame, i);
        }

        sheet.Complete(null);
        var png = Png.Open(path);
        Assert.Equal((8 + (columns * 16), 8 + (rows * 14)), (png.Width, png.Height));
        Assert.Equal(24, png.GetPixel(7, 7).R);
        Assert.Equal(130, png.GetPixel(8, 8).R);
    }

    [Fact]
    public void A_choice_is_spread_evenly_however_many_there_are()
    {
        for (var count = 1; count < 3000; count += 7)
        {
            EvenChoice<int> choice = new(12);
            for (var i = 0; i < count; i++)
            {
                if (choice.Wants(i))
                {
                    choice.Add(i, i);
                }
            }

            var chosen = choice.Choose();
            Assert.Equal(Math.Min(12, count), chosen.Count);
            for (var i = 0; i < chosen.Count; i++)
            {
                Assert.InRange(chosen[i], (i - 1.0) * count / chosen.Count, (i + 2.0) * count / chosen.Count);
            }

            Assert.Equal(chosen.Distinct().Order(), chosen);
        }
    }

    private static byte[] PixelsOf(string path, int width, int height)
    {
        var png = Png.Open(path);
        Assert.Equal((width, height), (png.Width, png.Height));
        return
        [
            .. Enumerable.Range(0, width * height).Select(i => png.GetPixel(i % width, i / width)).SelectMany(pixel => (byte[])[pixel.R, pixel.G, pixel.B]),
        ];
    }
}
