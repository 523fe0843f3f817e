// Room for pictures.
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests;

public sealed class MemoryTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>
{
    [Theory]
    [InlineData(ClipCodec.H264, 1)]
    [InlineData(ClipCodec.H264, 4)]
    [InlineData(ClipCodec.Vp9, 1)]
    [InlineData(ClipCodec.Vp9, 4)]
    [InlineData(ClipCodec.Av1, 1)]
    public async Task The_device_waits_for_pictures_that_the_guest_keeps(ClipCodec codec, uint threads)
    {
        var sample = await Sample.GetAsync(Clips.Small.First(clip => clip.Codec == codec));

        // Room for more pictures than the codec needs at the same time, and for fewer than there are: no more than 24 of 25.
        using var decoder = RawDecoder.Open(daemon.Source, sample.Codec, threads, framesSize: 19 * (16 << 10));
        decoder.PutAll(sample);
        decoder.WakeUp();
        Queue<uint> kept = [];
        var (frames, ended) = (0, false);
        var patience = Patience.Token();
        while (!ended)
        {
            patience.ThrowIfCancellationRequested();
            if (decoder.TryTake(out var output))
            {
                Assert.NotEqual(Layout.Error, output.Type);
                ended = output.Type == Layout.End;
                if (!ended)
                {
                    kept.Enqueue(output.Token);
                    frames++;
                }
            }
            else if (decoder.Read(Layout.DeviceWaits) != 0 && kept.Count > 0)
            {
                decoder.Return(kept.Dequeue());
                decoder.WakeUp();
            }
        }

        Assert.Equal(25, frames);
    }

    [Theory]
    [InlineData(ClipCodec.H264, 2)]
    [InlineData(ClipCodec.H264, 4)]
    [InlineData(ClipCodec.Vp9, 2)]
    [InlineData(ClipCodec.Vp9, 4)]
    public async Task A_guest_that_sleeps_while_the_device_waits_for_pictures_is_woken_for_each_that_comes(ClipCodec codec, uint threads)
    {
        const int Rounds = 100; // it takes luck that a thread waits before another one has its picture
        var sample = await Sample.GetAsync(Clips.Small.First(clip => clip.Codec == codec));
        for (var round = 0; round < Rounds; round++)
        {
            using var decoder = RawDecoder.Open(daemon.Source, sample.Codec, threads, framesSize: (ulong)(5 + (round % 14)) * (16 << 10));
            decoder.PutAll(sample);
            Queue<uint> kept = [];
            while (!TakeAll(decoder, kept))
            {
                var patience = Patience.Token();
                decoder.Sleep();
                while (!decoder.Device.TryReadEvent(out _))
                {
                    patience.ThrowIfCancellationRequested();
                    if (decoder.Outputs == 0 && decoder.Read(Layout.DeviceWaits) != 0 && kept.TryDequeue(out var token))
                    {
                        decoder.Return(token);
                        decoder.WakeUp();
                    }
                }
            }
        }
    }

    [Theory]
    [InlineData(VideoCodec.H264, 4096)]
    [InlineData(VideoCodec.Vp9, 4096)]
    [InlineData(VideoCodec.Av1, 4096)]
    [InlineData(VideoCodec.H264, 12 << 10)]
    [InlineData(VideoCodec.Vp9, 12 << 10)]
    public async Task Memory_for_no_picture_at_all_is_told_and_ends_nothing(VideoCodec codec, long frameMemory)
    {
        var sample = await Sample.GetAsync(Clips.Small.First(clip => (int)clip.Codec + 1 == (int)codec));
        using var decoder = Playback.Open(daemon.Source, codec, threads: 2, frameMemory);

        var playback = Playback.Run(decoder, sample);

        Assert.Equal(0, playback.Frames);
        Assert.Contains(playback.Errors, error => error.Error == DecoderError.NoRoom);
        Assert.All(playback.Errors.Where(error => error.BytesNeeded != 0), error => Assert.InRange(error.BytesNeeded, 64ul * 64 * 3 / 2, 64ul << 10));
        Assert.Equal(0, Playback.Run(decoder, sample).Frames);
    }

    [Fact]
    public async Task A_few_bytes_for_pictures_are_a_limit_too()
    {
        // A codec with memory of its own, which takes what the limit lets it take.
        var sample = await Sample.GetAsync(Sample.Av1);
        using var decoder = RawDecoder.Open(daemon.Source, sample.Codec, framesSize: 1);
        decoder.Put(sample.Packets[0].Bytes);

        decoder.AwaitEvent();

        Assert.True(decoder.TryTake(out var output));
        Assert.Equal((Layout.Error, (uint)DecoderError.NoRoom), (output.Type, output.Error));
    }

    [Fact]
    public async Task Memory_for_fewer_pictures_than_the_codec_refers_to_is_told_too()
    {
        var sample = await Sample.GetAsync(Sample.H264);
        using var decoder = Playback.Open(daemon.Source, VideoCodec.H264, threads: 1, frameMemory: 32 << 10);

        var playback = Playback.Run(decoder, sample);

        Assert.NotEqual(0, playback.Frames);
        var noRoom = Assert.Single(playback.Errors.Where(error => error.Error == DecoderError.NoRoom).Select(error => error.BytesNeeded).Distinct());
        Assert.InRange(noRoom, 64ul * 64 * 3 / 2, 32ul << 10);
    }

    [Theory]
    [InlineData(ClipCodec.H264)]
    [InlineData(ClipCodec.Vp9)]
    public async Task No_room_is_not_called_another_fault_of_the_host(ClipCodec codec)
    {
        var sample = await Sample.GetAsync(Clips.Small.First(clip => clip.Codec == codec));
        using var decoder = Playback.Open(daemon.Source, sample.Codec, threads: 4, frameMemory: 32 << 10);

        var playback = Playback.Run(decoder, sample);

        Assert.Contains(playback.Errors, error => error.Error == DecoderError.NoRoom);
        Assert.DoesNotContain(playback.Errors, error => error.Error == DecoderError.Host);
    }

    [Fact]
    public async Task Pictures_that_are_kept_stay_as_they_are()
    {
        var sample = await Sample.GetAsync(Sample.H264);
        using var decoder = Playback.Open(daemon.Source, VideoCodec.H264, threads: 4);
        List<(DecodedFrame Frame, byte[] Row)> kept = [];
        foreach (var packet in sample.Packets)
            Assert.True(decoder.TrySend(packet.Bytes, packet.Timestamp));
        Assert.True(decoder.TrySendEnd());
        while (decoder.Take(Patience.Token()) is { Frame: { } frame })
            kept.Add((frame, frame.GetRow(0, 30).ToArray()));

        // Room is left, and taken by another stream.
        Assert.Equal(await sample.ExpectedAsync(), Playback.Run(decoder, sample).Pictures);

        Assert.Equal(25, kept.Count);
        foreach (var (frame, row) in kept)
        {
            Assert.Equal(row, frame.GetRow(0, 30));
            frame.Dispose();
        }
    }

    [Theory]
    [InlineData(ClipCodec.H264, "yuv420p", true)]
    [InlineData(ClipCodec.Vp9, "yuv420p", true)]
    [InlineData(ClipCodec.H264, "yuv420p10le", false)] // a guest could write values that a codec does not expect
    [InlineData(ClipCodec.Vp9, "yuv420p10le", false)]
    [InlineData(ClipCodec.Av1, "yuv420p", false)] // libdav1d has memory of its own
    public async Task A_picture_of_8_bits_is_the_one_that_the_codec_goes_on_from_and_others_are_copies(ClipCodec codec, string pixelFormat, bool isShared)
    {
        var sample = await Sample.GetAsync(Clips.Small.First(clip => clip.Codec == codec && clip.PixelFormat == pixelFormat && clip.ThenSize is null && !clip.Interlaced));

        var untouched = DecodeSecondHalf(sample, paint: false);
        var painted = DecodeSecondHalf(sample, paint: true);

        // Whoever writes to all pictures that there are, in the middle of the stream, meets those that later ones are made from.
        Assert.NotEmpty(untouched);
        Assert.Equal(untouched.Count, painted.Count);
        Assert.Equal(!isShared, untouched.SequenceEqual(painted));
    }

    /// <summary>Decodes half of a clip, then maybe writes to all memory for pictures, then decodes the rest and returns the sums of that.</summary>
    private List<string> DecodeSecondHalf(Sample sample, bool paint)
    {
        using var decoder = RawDecoder.Open(daemon.Source, sample.Codec);
        var half = sample.Packets.Count / 2;
        foreach (var packet in sample.Packets.Take(half))
            decoder.Put(packet.Bytes);
        decoder.WakeUp();
        var patience = Patience.Token();
        while (decoder.Read(Layout.PacketsTaken) < half || decoder.Read(Layout.DeviceWaits) == 0)
            patience.ThrowIfCancellationRequested();
        while (decoder.TryTake(out _))
        {
            // Of no interest, and kept.
        }

        if (paint)
            decoder.Pictures.Fill(77);
        foreach (var packet in sample.Packets.Skip(half))
            decoder.Put(packet.Bytes);
        decoder.PutEntry(0, 0, flags: 1);
        decoder.AwaitEvent();
        List<string> sums = [];
        while (decoder.TryTake(out var output, out var sum) && output.Type == Layout.Frame)
            sums.Add(sum);
        return sums;
    }

    [Fact]
    public async Task Pictures_that_are_kept_keep_nothing_else_of_the_stream_on_the_host()
    {
        const int Length = 8 << 20;
        var sample = await Sample.GetAsync(Sample.H264);

        // H.264, 7.3.2.3.1: a message of the user's own, which libavcodec hands on with the picture.
        byte[] message = [0, 0, 0, 1, 6, 5, .. Enumerable.Repeat<byte>(255, Length / 255), Length % 255, .. Enumerable.Repeat<byte>(0x55, Length), 0x80];
        using var decoder = VideoDecoder.Open(new(sample.Codec) { Threads = 1, FrameMemory = 4 << 20, PacketMemory = 32 << 20 }, daemon.Source);
        var before = daemon.OwnMemory;
        List<DecodedFrame> kept = [];
        var patience = Patience.Token();
        foreach (var packet in sample.Packets)
        {
            while (!decoder.Send([.. message, .. packet.Bytes], packet.Timestamp, patience))
                kept.Add(decoder.Take(patience).Frame!);
        }

        while (!decoder.TrySendEnd())
            kept.Add(decoder.Take(patience).Frame!);
        while (decoder.Take(patience).Frame is { } frame)
            kept.Add(frame);

        // Of what libavcodec itself has let go, the C library keeps some.
        Assert.Equal(25, kept.Count);
        Assert.InRange(daemon.OwnMemory - before, long.MinValue, kept.Count * Length / 2);
    }

    /// <summary>Takes what is there, and keeps the pictures. Returns whether the end was there.</summary>
    private static bool TakeAll(RawDecoder decoder, Queue<uint> kept)
    {
        while (decoder.TryTake(out var output))
        {
            if (output.Type == Layout.End)
                return true;
            if (output.Type == Layout.Frame)
                kept.Enqueue(output.Token);
        }

        return false;
    }
}
