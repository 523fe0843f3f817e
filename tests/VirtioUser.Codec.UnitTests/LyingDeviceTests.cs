// What a device says is not believed.
using VirtioUser.Codec.UnitTests.Support;

namespace VirtioUser.Codec.UnitTests;

public sealed class LyingDeviceTests
{
    public static TheoryData<string> Lies => [.. LiesByName.Keys];

    private static readonly Dictionary<string, Func<OutputEntry, ulong, OutputEntry>> LiesByName = new()
    {
        ["no type"] = (entry, _) => entry with { Type = 0 },
        ["unknown type"] = (entry, _) => entry with { Type = 5 },
        ["token out of range"] = (entry, _) => entry with { Token = 64 },
        ["largest token"] = (entry, _) => entry with { Token = uint.MaxValue },
        ["no width"] = (entry, _) => entry with { Width = 0 },
        ["no height"] = (entry, _) => entry with { Height = 0 },
        ["too wide"] = (entry, _) => entry with { Width = uint.MaxValue },
        ["too high"] = (entry, _) => entry with { Height = 65537 },
        ["higher than the area"] = (entry, _) => entry with { Height = 65536 },
        ["no planes"] = (entry, _) => entry with { Planes = 0 },
        ["five planes"] = (entry, _) => entry with { Planes = 5 },
        ["a fourth plane at 0"] = (entry, _) => entry with { Planes = 4 },
        ["too few bits"] = (entry, _) => entry with { Bits = 7 },
        ["too many bits"] = (entry, _) => entry with { Bits = 17 },
        ["shift out of range"] = (entry, _) => entry with { ChromaShiftX = 32 },
        ["shift down out of range"] = (entry, _) => entry with { ChromaShiftY = uint.MaxValue },
        ["rows that overlap"] = (entry, _) => WithStride(entry, 1, 3),
        ["rows far apart"] = (entry, _) => WithStride(entry, 1, uint.MaxValue),
        ["a plane before the area"] = (entry, begin) => WithPlane(entry, 0, begin - 1),
        ["a plane at the rings"] = (entry, _) => WithPlane(entry, 2, 0),
        ["a plane's end behind the area"] = (entry, begin) => WithPlane(entry, 2, begin + (64 << 10) - 35),
        ["a plane behind the area"] = (entry, begin) => WithPlane(entry, 2, begin + (64 << 10)),
        ["a plane at the end of numbers"] = (entry, _) => WithPlane(entry, 1, ulong.MaxValue - 3),
    };

    [Theory]
    [MemberData(nameof(Lies))]
    public void A_picture_that_cannot_be_is_refused(string lie)
    {
        using ScriptedDevice device = new();
        Assert.Throws<VideoDecoderException>(() => device.Pass(LiesByName[lie](device.SmallFrame, device.FramesOffset)));
    }

    [Theory]
    [InlineData(0u, 25u, 25u, 1u, 1u)]
    [InlineData(1u, 0u, 25u, 1u, 1u)]
    [InlineData(1u, 25u, 25u, 0u, 1u)]
    [InlineData(1u, 25u, 25u, 1u, 0u)]
    [InlineData(1u << 31, 1u, 25u, 1u, 1u)]
    [InlineData(1u, uint.MaxValue, 25u, 1u, 1u)]
    [InlineData(1u, 25u, 1u << 31, 1u, 1u)]
    [InlineData(1u, 25u, 1u, 1u << 31, 1u)]
    public void A_stream_whose_numbers_make_no_sense_is_refused(uint unit, uint unitDivisor, uint rate, uint rateDivisor, uint aspectDivisor)
    {
        using ScriptedDevice device = new();
        device.PutStream((unit, unitDivisor), (rate, rateDivisor), (1, aspectDivisor));
        Assert.Throws<VideoDecoderException>(() => device.Decoder.TryTake(out _));
    }

    [Fact]
    public void A_picture_before_its_stream_is_refused()
    {
        using ScriptedDevice device = new(tellsStream: false);
        Assert.Throws<VideoDecoderException>(() => device.Pass(device.SmallFrame));
    }

    [Fact]
    public void A_plane_may_end_where_the_area_ends()
    {
        using ScriptedDevice device = new();
        using var frame = device.Pass(WithPlane(device.SmallFrame, 2, device.FramesOffset + device.FramesSize - 36)).Frame!;
        Assert.Equal(4, frame.GetRow(2, 2).Length);
    }

    [Fact]
    public void A_token_that_is_out_cannot_come_again()
    {
        using ScriptedDevice device = new();
        using var frame = device.Pass(device.SmallFrame with { Token = 5 }).Frame!;
        Assert.Throws<VideoDecoderException>(() => device.Pass(device.SmallFrame with { Token = 5 }));
    }

    [Theory]
    [InlineData(66)]
    [InlineData(uint.MaxValue)]
    [InlineData(0x8000_0000)]
    public void More_outputs_than_the_ring_has_are_refused(uint written)
    {
        using ScriptedDevice device = new();
        device.Word(Protocol.OutputsWritten) = written;
        Assert.Throws<VideoDecoderException>(() => device.Decoder.TryTake(out _));
        Assert.Throws<VideoDecoderException>(() => device.Decoder.Wait(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(uint.MaxValue)]
    public void More_chunks_taken_than_sent_are_refused(uint taken)
    {
        using ScriptedDevice device = new();
        Assert.Equal(4096, device.Decoder.TrySend(new byte[4096]));
        device.Word(Protocol.ChunksTaken) = taken;
        Assert.Throws<VideoDecoderException>(() => device.Decoder.TrySend([1]));
    }

    [Fact]
    public void A_device_that_has_stopped_is_not_waited_for()
    {
        using ScriptedDevice device = new();
        device.Word(Protocol.Broken) = 4;
        Assert.Throws<VideoDecoderException>(() => device.Decoder.Take(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Events_that_nobody_asked_for_do_no_harm()
    {
        using ScriptedDevice device = new();
        for (var i = 0; i < 3000; i++)
        {
            device.Raise((uint)i);
        }

        device.Put(new() { Type = Protocol.OutputEnd });
        Assert.Equal(DecoderOutputKind.End, device.Decoder.Take(TestContext.Current.CancellationToken).Kind);
    }

    [Fact]
    public void Samples_that_are_larger_than_their_depth_allows_are_only_wrong_colours()
    {
        using ScriptedDevice device = new();
        device.Bytes(device.FramesOffset, (int)device.FramesSize).Fill(0xff);
        using var frame = device.Pass(device.SmallFrame with { Bits = 10 }).Frame!;
        Assert.Equal(8 * 6 * 3, Play.Pictures.PictureConverter.Convert(frame).Bytes.Length);
        Assert.Equal(4 * 3 * 3, Play.Pictures.PictureConverter.Shrink(frame, 4, 3).Bytes.Length);
    }

    private static OutputEntry WithStride(OutputEntry entry, int plane, uint stride)
    {
        entry.Stride[plane] = stride;
        return entry;
    }

    private static OutputEntry WithPlane(OutputEntry entry, int plane, ulong offset)
    {
        entry.Plane[plane] = offset;
        return entry;
    }
}
