// Good streams: the decoder's pictures are those of ffmpeg.
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests;

public sealed class StreamTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>
{
    public static TheoryData<string> Names => [.. Clips.Small.Select(clip => clip.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Every_picture_is_the_one_that_ffmpeg_makes(string name)
    {
        var sample = await Sample.GetAsync(Clips.Small.Single(clip => clip.Name == name));
        var expected = await sample.ExpectedAsync();
        Assert.NotEmpty(expected);

        foreach (var threads in new[] { 0, 1, 5 })
        {
            using var decoder = Playback.Open(daemon.Source, threads);
            var playback = Playback.Run(decoder, sample);

            Assert.Empty(playback.Errors);
            Assert.Equal(expected, playback.Pictures);
        }
    }

    [Fact]
    public async Task One_instance_decodes_one_stream_after_the_other()
    {
        var samples = await Sample.AllAsync();
        using var decoder = Playback.Open(daemon.Source);

        foreach (var sample in samples.Concat(samples.Reverse()))
        {
            var playback = Playback.Run(decoder, sample);

            Assert.Empty(playback.Errors);
            Assert.Equal(await sample.ExpectedAsync(), playback.Pictures);
        }
    }

    [Fact]
    public async Task A_long_stream_goes_through_memory_for_few_bytes()
    {
        const int Times = 40;
        var sample = await Sample.GetAsync(Sample.H264);
        var pictures = (await sample.ExpectedAsync()).Count;
        byte[] stream = [.. Enumerable.Repeat(sample.Bytes, Times).SelectMany(each => each)];
        using var decoder = Playback.Open(daemon.Source, inputMemory: 4096);
        Playback playback = new();
        List<byte[]> rows = [];

        playback.Run(decoder, stream, frame => rows.Add(frame.GetRow(0, 30).ToArray()));

        Assert.Empty(playback.Errors);
        Assert.Equal(Times * pictures, playback.Frames);
        Assert.All(rows.Index(), row => Assert.Equal(rows[row.Index % pictures], row.Item));
    }

    [Fact]
    public async Task Instances_decode_at_the_same_time()
    {
        Clip[] clips = [Sample.H264, Sample.Vp9, Sample.Av1, Sample.H264];
        await Task.WhenAll(clips.Select(clip => Task.Factory.StartNew(
            async () =>
            {
                var sample = await Sample.GetAsync(clip);
                using var decoder = Playback.Open(daemon.Source);
                for (var round = 0; round < 10; round++)
                {
                    Assert.Equal(await sample.ExpectedAsync(), Playback.Run(decoder, sample).Pictures);
                }
            },
            TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default).Unwrap()));
    }

    [Fact]
    public async Task A_stream_of_nothing_ends()
    {
        using var decoder = Playback.Open(daemon.Source);
        Playback playback = new();

        playback.Run(decoder, default);
        playback.Run(decoder, default);

        Assert.Equal((0, 0), (playback.Frames, playback.Errors.Count));
        var sample = await Sample.GetAsync(Sample.H264);
        Assert.Equal(await sample.ExpectedAsync(), Playback.Run(decoder, sample).Pictures);
    }

    [Theory]
    [InlineData(ClipCodec.H264, "0000000165ffffffffffffff")] // a slice without anything that it refers to
    [InlineData(ClipCodec.Vp9, "0700000000000000000000000000ffffffffffff")] // a packet that has not the mark of a frame
    [InlineData(ClipCodec.Av1, "050000000000000000000000327f000000")] // a frame that is longer than its packet
    public async Task After_damage_the_stream_goes_on(ClipCodec codec, string damaged)
    {
        const int IvfHeader = 32;
        var sample = await Sample.GetAsync(codec);
        var begin = codec == ClipCodec.H264 ? 0 : IvfHeader;
        var damage = Convert.FromHexString(damaged);
        damage[0] = codec == ClipCodec.Vp9 ? (byte)(damage.Length - 12) : damage[0];
        using var decoder = Playback.Open(daemon.Source);
        Playback playback = new();

        playback.Run(decoder, [.. sample.Bytes[..begin], .. damage, .. sample.Bytes[begin..]]);

        Assert.NotEmpty(playback.Errors);
        Assert.All(playback.Errors, error => Assert.Equal(DecoderError.Corrupt, error.Error));
        var expected = await sample.ExpectedAsync();
        Assert.Equal(expected.Count, playback.Frames);
        Assert.Equal(expected, Playback.Run(decoder, sample).Pictures);
    }

    [Fact]
    public void An_error_is_an_event_that_nobody_has_to_want()
    {
        using var decoder = RawDecoder.Open(daemon.Source);
        decoder.Put([0, 0, 0, 1, 0x65, 0xff, 0xff, 0xff, 0xff]);
        decoder.PutEnd();
        decoder.Ring();

        Assert.Equal(Layout.EventOutput | Layout.EventError, decoder.Device.ReadEvent(Patience.Token()));

        Assert.True(decoder.TryTake(out var output));
        Assert.Equal(Layout.Error, output.Type);
    }

    [Theory]
    [InlineData(ClipCodec.H264)]
    [InlineData(ClipCodec.Vp9)]
    [InlineData(ClipCodec.Av1)]
    public async Task What_the_stream_is_comes_before_its_pictures(ClipCodec codec)
    {
        var sample = await Sample.GetAsync(codec);
        using var decoder = Playback.Open(daemon.Source);
        List<VideoStream> streams = [];
        List<long?> times = [];

        new Playback().Run(decoder, sample.Bytes, frame =>
        {
            streams.Add(frame.Stream);
            times.Add(frame.Timestamp);
        });

        var stream = Assert.Single(streams.Distinct());
        Assert.Equal((codec.ToString(), 64, 64), (stream.Codec.ToString(), stream.Width, stream.Height));
        Assert.Equal(25.0, stream.FrameRate.Numerator / (double)stream.FrameRate.Denominator);
        Assert.Equal(
            Enumerable.Range(0, 25).Select(number => number / 25.0),
            times.Select(time => (double)(time!.Value * stream.TimeBase.Numerator) / stream.TimeBase.Denominator));
    }

    [Fact]
    public async Task A_guest_is_woken_once_for_all_pictures_that_it_waits_for()
    {
        using var decoder = RawDecoder.Open(daemon.Source);
        decoder.PutAll(await Sample.GetAsync(Sample.H264));

        Assert.Equal(Layout.EventOutput, decoder.AwaitEvent(outputs: 27));

        Assert.Equal(27u, decoder.Read(Layout.OutputsWritten));
        decoder.Ask(new PingRequest(Layout.Doorbell));
        Assert.False(decoder.Device.TryReadEvent(out _));
    }

    [Fact]
    public async Task A_guest_that_waits_for_space_is_woken_when_so_many_chunks_were_taken()
    {
        const uint Worth = 20;
        using var decoder = RawDecoder.Open(daemon.Source);
        decoder.PutAll(await Sample.GetAsync(Sample.H264));
        decoder.Write(Layout.ChunksAt, Worth);
        decoder.Write(Layout.GuestWants, Layout.EventSpace);
        decoder.Ring();

        Assert.Equal(Layout.EventSpace, decoder.Device.ReadEvent(Patience.Token()));

        Assert.InRange(decoder.Read(Layout.ChunksTaken), Worth, 26u);
        Assert.Equal(0u, decoder.Read(Layout.GuestWants));
    }
}
