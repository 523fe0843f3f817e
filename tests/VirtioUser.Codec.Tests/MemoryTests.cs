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
        var sample = await Sample.GetAsync(codec);

        // Room for more pictures than the codec needs at the same time, and for fewer than there are: no more than 24 of 25.
        using var decoder = RawDecoder.Open(daemon.Source, threads, framesSize: 19 * (16 << 10));
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
    [InlineData(ClipCodec.H264, 1)]
    [InlineData(ClipCodec.H264, 2)]
    [InlineData(ClipCodec.H264, 4)]
    [InlineData(ClipCodec.Vp9, 1)]
    [InlineData(ClipCodec.Vp9, 4)]
    [InlineData(ClipCodec.Av1, 1)]
    [InlineData(ClipCodec.Av1, 4)]
    public async Task A_guest_that_keeps_all_pictures_and_sleeps_is_woken_for_each_that_comes_and_each_that_does_not(ClipCodec codec, uint threads)
    {
        const int Rounds = 8;
        var sample = await Sample.GetAsync(codec);
        for (var round = 0; round < Rounds; round++)
        {
            using var decoder = RawDecoder.Open(daemon.Source, threads, framesSize: (ulong)(5 + (3 * round)) * (16 << 10));
            decoder.PutAll(sample);
            var (frames, errors, ended) = (0, 0, false);
            while (!ended)
            {
                while (!ended && decoder.TryTake(out var output))
                {
                    frames += output.Type == Layout.Frame ? 1 : 0;
                    errors += output.Type == Layout.Error ? 1 : 0;
                    ended = output.Type == Layout.End;
                }

                if (!ended)
                {
                    decoder.AwaitEvent();
                }
            }

            // Each that could not be shown is told of; a codec may tell of more, where it had none to go on from.
            Assert.InRange(frames + errors, 25, int.MaxValue);
            Assert.Equal(frames < 25, errors > 0);
        }
    }

    [Theory]
    [InlineData(ClipCodec.H264, 1)]
    [InlineData(ClipCodec.H264, 16)]
    [InlineData(ClipCodec.Vp9, 1)]
    [InlineData(ClipCodec.Vp9, 16)]
    [InlineData(ClipCodec.Av1, 1)]
    [InlineData(ClipCodec.Av1, 16)]
    public async Task The_room_that_is_said_to_be_enough_is_enough_for_who_keeps_as_many(ClipCodec codec, int threads)
    {
        const int Kept = 2;
        var sample = await Sample.GetAsync(codec);
        long room = 3 * (16 << 10);
        var errors = RunKeeping(sample, threads, room, Kept, out var frames);
        Assert.NotEmpty(errors);
        for (var attempt = 0; attempt < 3 && errors.Count > 0; attempt++)
        {
            Assert.All(errors, error => Assert.Contains(error.Error, new[] { DecoderError.NoRoom, DecoderError.Corrupt }));
            var noRoom = errors.Where(error => error.Error == DecoderError.NoRoom).ToList();
            Assert.NotEmpty(noRoom);
            Assert.All(noRoom, error => Assert.Equal((ulong)room, error.BytesThere));
            room = (long)noRoom.Max(error => error.BytesNeeded);
            Assert.All(noRoom, error => Assert.Contains(Text(error.BytesNeeded), error.Describe(), StringComparison.Ordinal));
            errors = RunKeeping(sample, threads, room, Kept, out frames);
        }

        Assert.Empty(errors);
        Assert.Equal(25, frames);
    }

    [Fact]
    public async Task Who_keeps_all_pictures_that_there_can_be_is_told_so_instead_of_waiting()
    {
        var sample = await Sample.GetAsync(Sample.H264 with { Times = 3 });
        using var decoder = Playback.Open(daemon.Source, threads: 1);
        List<DecodedFrame> kept = [];
        var lost = 0;
        var bytes = sample.Bytes.AsMemory();
        var (ended, sentEnd) = (false, false);
        while (!ended)
        {
            while (!bytes.IsEmpty && decoder.TrySend(bytes.Span) is var count and > 0)
            {
                bytes = bytes[count..];
            }

            sentEnd = sentEnd || (bytes.IsEmpty && decoder.TrySendEnd());
            var output = decoder.Take(Patience.Token());
            ended = output.Kind == DecoderOutputKind.End;
            lost += output.Error == DecoderError.Kept ? 1 : 0;
            if (output.Frame is { } frame)
            {
                kept.Add(frame);
            }
        }

        Assert.Equal((64, 11), (kept.Count, lost));
        kept.ForEach(frame => frame.Dispose());
        Assert.Equal(await sample.ExpectedAsync(), Playback.Run(decoder, sample).Pictures);
    }

    [Theory]
    [InlineData(ClipCodec.H264, 4096)]
    [InlineData(ClipCodec.Vp9, 4096)]
    [InlineData(ClipCodec.Av1, 4096)]
    [InlineData(ClipCodec.H264, 12 << 10)]
    [InlineData(ClipCodec.Vp9, 12 << 10)]
    public async Task Memory_for_no_picture_at_all_is_told_and_ends_nothing(ClipCodec codec, long frameMemory)
    {
        var sample = await Sample.GetAsync(codec);
        using var decoder = Playback.Open(daemon.Source, threads: 2, frameMemory);

        var playback = Playback.Run(decoder, sample);

        Assert.Equal(0, playback.Frames);
        Assert.Contains(playback.Errors, error => error.Error == DecoderError.NoRoom);
        Assert.All(playback.Errors.Where(error => error.BytesNeeded != 0), error => Assert.InRange(error.BytesNeeded, 64ul * 64 * 4, 1ul << 20));
        Assert.Equal(0, Playback.Run(decoder, sample).Frames);
    }

    [Fact]
    public async Task A_few_bytes_for_pictures_are_a_limit_too()
    {
        // A codec with memory of its own, which takes what the limit lets it take.
        var sample = await Sample.GetAsync(Sample.Av1);
        using var decoder = RawDecoder.Open(daemon.Source, framesSize: 1);
        decoder.Put(sample.Pieces(2)[0]);
        decoder.PutEnd();

        decoder.AwaitEvent();

        Assert.True(decoder.TryTake(out var output));
        Assert.Equal((Layout.Error, (uint)DecoderError.NoRoom), (output.Type, output.Error));
    }

    [Fact]
    public async Task Memory_for_fewer_pictures_than_the_codec_refers_to_is_told_too()
    {
        var sample = await Sample.GetAsync(Sample.H264);
        using var decoder = Playback.Open(daemon.Source, threads: 1, frameMemory: 32 << 10);

        var playback = Playback.Run(decoder, sample);

        Assert.NotEqual(0, playback.Frames);
        var noRoom = Assert.Single(playback.Errors.Where(error => error.Error == DecoderError.NoRoom).Select(error => error.BytesNeeded).Distinct());
        Assert.InRange(noRoom, (32ul << 10) + (64ul * 64 * 3 / 2), 1ul << 20);
    }

    [Theory]
    [InlineData(ClipCodec.H264)]
    [InlineData(ClipCodec.Vp9)]
    public async Task No_room_is_not_called_another_fault_of_the_host(ClipCodec codec)
    {
        var sample = await Sample.GetAsync(codec);
        using var decoder = Playback.Open(daemon.Source, threads: 4, frameMemory: 32 << 10);

        var playback = Playback.Run(decoder, sample);

        Assert.Contains(playback.Errors, error => error.Error == DecoderError.NoRoom);
        Assert.DoesNotContain(playback.Errors, error => error.Error == DecoderError.Host);
    }

    [Fact]
    public async Task Pictures_that_are_kept_stay_as_they_are()
    {
        var sample = await Sample.GetAsync(Sample.H264);
        using var decoder = Playback.Open(daemon.Source, threads: 4);
        List<(DecodedFrame Frame, byte[] Row)> kept = [];
        Assert.Equal(sample.Bytes.Length, decoder.TrySend(sample.Bytes));
        Assert.True(decoder.TrySendEnd());
        while (decoder.Take(Patience.Token()) is { Frame: { } frame })
        {
            kept.Add((frame, frame.GetRow(0, 30).ToArray()));
        }

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
        // The host looks at the first five seconds of a stream before it decodes: here are eight.
        const int Pictures = 200;
        var clip = Clips.Small.First(clip => clip.Codec == codec && clip.PixelFormat == pixelFormat && clip.ThenSize is null && !clip.Interlaced);
        var sample = await Sample.GetAsync(clip with { Times = (Pictures + clip.Frames - 1) / clip.Frames });

        var untouched = DecodeSecondHalf(sample, paint: false);
        var painted = DecodeSecondHalf(sample, paint: true);

        // Whoever writes to all pictures that there are, in the middle of the stream, meets those that later ones are made from.
        Assert.NotEmpty(untouched);
        Assert.Equal(untouched.Count, painted.Count);
        Assert.Equal(!isShared, untouched.SequenceEqual(painted));
    }

    /// <summary>Decodes a part of a clip, then maybe writes to all memory for pictures, then decodes the rest and returns the sums of the last pictures.</summary>
    private List<string> DecodeSecondHalf(Sample sample, bool paint)
    {
        using var decoder = RawDecoder.Open(daemon.Source);
        var pieces = sample.Pieces(40);
        var first = pieces.Count * 33 / 40; // in the middle of a time
        foreach (var piece in pieces.Take(first))
        {
            decoder.Put(piece);
        }

        // Not all of them: the device may be at work on those that are missing. It has those that they are made from.
        const int Before = 155;
        List<string> sums = [];
        while (sums.Count < Before)
        {
            decoder.AwaitEvent();
            while (decoder.TryTake(out var output, out var sum))
            {
                sums.Add(sum);
                decoder.Return(output.Token);
            }
        }

        if (paint)
        {
            decoder.Pictures.Fill(77);
        }

        foreach (var piece in pieces.Skip(first))
        {
            decoder.Put(piece);
        }

        decoder.PutEnd();
        var ended = false;
        while (!ended)
        {
            decoder.AwaitEvent();
            while (decoder.TryTake(out var output, out var sum))
            {
                ended = output.Type == Layout.End;
                if (output.Type == Layout.Frame)
                {
                    sums.Add(sum);
                    decoder.Return(output.Token);
                }
            }
        }

        return sums[Before..];
    }

    [Fact]
    public async Task Pictures_that_are_kept_keep_nothing_else_of_the_stream_on_the_host()
    {
        const int Length = 8 << 20;
        var sample = await Sample.GetAsync(Sample.H264);

        // H.264, 7.3.2.3.1: a message of the user's own, which libavcodec hands on with the picture. One before each picture.
        byte[] message = [0, 0, 0, 1, 6, 5, .. Enumerable.Repeat<byte>(255, Length / 255), Length % 255, .. Enumerable.Repeat<byte>(0x55, Length), 0x80];
        using var decoder = VideoDecoder.Open(new() { Threads = 1, FrameMemory = 4 << 20, InputMemory = 32 << 20 }, daemon.Source);
        var before = daemon.OwnMemory;
        List<DecodedFrame> kept = [];
        var patience = Patience.Token();
        foreach (var unit in Units(sample.Bytes))
        {
            ReadOnlyMemory<byte> bytes = unit[4] is 0x41 or 0x01 or 0x65 or 0x61 ? (byte[])[.. message, .. unit] : unit;
            while (!bytes.IsEmpty)
            {
                bytes = bytes[decoder.Send(bytes.Span, patience)..];
                while (decoder.TryTake(out var output))
                {
                    kept.Add(output.Frame!);
                }
            }
        }

        while (!decoder.TrySendEnd())
        {
            kept.Add(decoder.Take(patience).Frame!);
        }

        while (decoder.Take(patience).Frame is { } frame)
        {
            kept.Add(frame);
        }

        // Of what libavcodec itself has let go, the C library keeps some.
        Assert.Equal(25, kept.Count);
        Assert.InRange(daemon.OwnMemory - before, long.MinValue, kept.Count * Length / 2);
    }

    /// <summary>The units of a byte stream, each with a start code of four bytes.</summary>
    private static List<byte[]> Units(byte[] stream)
    {
        ReadOnlySpan<byte> code = [0, 0, 1];
        List<byte[]> units = [];
        for (var at = stream.AsSpan().IndexOf(code); at >= 0;)
        {
            var begin = at + code.Length;
            var next = stream.AsSpan(begin).IndexOf(code);
            var end = next < 0 ? stream.Length : begin + next - (stream[begin + next - 1] == 0 ? 1 : 0);
            units.Add([0, .. code, .. stream[begin..end]]);
            at = next < 0 ? -1 : begin + next;
        }

        return units;
    }

    /// <summary>Plays a clip as a program does that keeps the last few pictures until another comes, and waits for that.</summary>
    private List<DecoderOutput> RunKeeping(Sample sample, int threads, long room, int keeps, out int frames)
    {
        using var decoder = Playback.Open(daemon.Source, threads, room);
        List<DecoderOutput> errors = [];
        Queue<DecodedFrame> kept = [];
        ReadOnlySpan<byte> bytes = sample.Bytes;
        var sentEnd = false;
        frames = 0;
        while (true)
        {
            while (!bytes.IsEmpty && decoder.TrySend(bytes) is var sent and > 0)
            {
                bytes = bytes[sent..];
            }

            sentEnd = sentEnd || (bytes.IsEmpty && decoder.TrySendEnd());
            var output = decoder.Take(Patience.Token());
            if (output.Kind == DecoderOutputKind.End)
            {
                return errors;
            }

            if (output.Frame is not { } frame)
            {
                errors.Add(output);
                continue;
            }

            frames++;
            kept.Enqueue(frame);
            if (kept.Count > keeps)
            {
                kept.Dequeue().Dispose();
            }
        }
    }

    private static string Text(ulong number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
