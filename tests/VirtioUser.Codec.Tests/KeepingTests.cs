// Programs that people had trouble with: they keep pictures, or a part of the stream is missing.
using VirtioUser.Codec.Tests.Support;

namespace VirtioUser.Codec.Tests;

[Trait("Category", "Field")]
public sealed class KeepingTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    public async Task A_slice_that_is_lost_costs_no_picture_and_is_told(int threads)
    {
        using var decoder = Playback.Open(daemon.Source, threads);
        Playback playback = new();
        var corrupt = 0;

        playback.Run(decoder, await ReadAsync("10-lost-slice.h264"), frame => corrupt += frame.IsCorrupt ? 1 : 0);

        Assert.Equal(12, playback.Frames);
        Assert.True(corrupt > 0 || playback.Errors.Count > 0);
    }

    [Theory]
    [InlineData(1, 1 << 20)]
    [InlineData(16, 1 << 20)]
    [InlineData(1, 256 << 10)]
    [InlineData(5, 512 << 10)]
    public async Task A_program_that_keeps_a_picture_until_the_next_one_comes_does_not_wait_for_ever(int threads, long room)
    {
        var stream = await ReadAsync("21-kept.h264");
        var (frames, errors) = PlayKeepingOne(stream, threads, room);

        Assert.Equal(frames < 75, errors.Exists(error => error.Error == DecoderError.NoRoom));
        Assert.All(errors, error => Assert.Contains(error.Error, new[] { DecoderError.NoRoom, DecoderError.Corrupt }));
        if (frames < 75)
        {
            var enough = errors.Max(error => error.BytesNeeded);
            Assert.InRange((long)enough, room + 1, 64 << 20);
            (frames, errors) = PlayKeepingOne(stream, threads, (long)enough);
        }

        Assert.Equal((75, 0), (frames, errors.Count));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(16)]
    public async Task A_program_that_keeps_a_picture_has_room_for_it_by_itself(int threads)
    {
        var (frames, errors) = PlayKeepingOne(await ReadAsync("21-kept.h264"), threads, new VideoDecoderOptions().FrameMemory);

        Assert.Equal((75, 0), (frames, errors.Count));
    }

    private static Task<byte[]> ReadAsync(string name) => File.ReadAllBytesAsync(FieldTests.PathOf(name), TestContext.Current.CancellationToken);

    private (int Frames, List<DecoderOutput> Errors) PlayKeepingOne(ReadOnlySpan<byte> stream, int threads, long room)
    {
        using var decoder = Playback.Open(daemon.Source, threads, room);
        List<DecoderOutput> errors = [];
        var (frames, sentEnd) = (0, false);
        DecodedFrame? kept = null;
        while (true)
        {
            while (!stream.IsEmpty && decoder.TrySend(stream) is var sent and > 0)
            {
                stream = stream[sent..];
            }

            sentEnd = sentEnd || (stream.IsEmpty && decoder.TrySendEnd());
            var output = decoder.Take(Patience.Token());
            if (output.Kind == DecoderOutputKind.End)
            {
                kept?.Dispose();
                return (frames, errors);
            }

            if (output.Frame is { } frame)
            {
                kept?.Dispose();
                kept = frame;
                frames++;
            }
            else
            {
                errors.Add(output);
            }
        }
    }
}
