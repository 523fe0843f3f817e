// Guests that do not keep to the protocol.
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Guest;

namespace VirtioUser.Codec.Tests;

public sealed class HostileGuestTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>
{
    private const ulong Areas = Layout.Areas, Data = RawDecoder.DataSize, All = ulong.MaxValue;

    // The object has 1 MiB.
    private static readonly RawDecoder.Setup Good = new(0, 1, Areas, Data, Areas + Data, (1 << 20) - Areas - Data);

    public static TheoryData<uint, uint, ulong, ulong, ulong, ulong, uint> BadSetups => new()
    {
        { 1, 1, Areas, Data, Areas + Data, 4096, Layout.BadLayout },
        { uint.MaxValue, 1, Areas, Data, Areas + Data, 4096, Layout.BadLayout },
        { 0, 17, Areas, Data, Areas + Data, 4096, Layout.BadLayout },
        { 0, uint.MaxValue, Areas, Data, Areas + Data, 4096, Layout.BadLayout },
        { 0, 1, Areas, 0, Areas + Data, 4096, Layout.BadLayout },
        { 0, 1, Areas, Data, Areas + Data, 0, Layout.BadLayout },
        { 0, 1, Areas - 1, Data, Areas + Data, 4096, Layout.BadLayout },
        { 0, 1, 0, Data, Areas + Data, 4096, Layout.BadLayout },
        { 0, 1, Areas, Data, 0, 4096, Layout.BadLayout },
        { 0, 1, Areas, Data, Areas + Data + 8, 4096, Layout.BadLayout },
        { 0, 1, Areas, Data, Areas + Data - 4096, 8192, Layout.BadLayout },
        { 0, 1, Areas + 4096, Data, Areas, 8192, Layout.BadLayout },
        { 0, 1, Areas, Data, Areas + Data, (1 << 20) - Areas - Data + 1, Layout.BadLayout },
        { 0, 1, Areas, All, Areas + Data, 4096, Layout.BadLayout },
        { 0, 1, Areas, All - Areas + 1, Areas + Data, 4096, Layout.BadLayout },
        { 0, 1, Areas, Data, Areas + Data, All, Layout.BadLayout },
        { 0, 1, Areas, Data, Areas + Data, All - Areas - Data + 1, Layout.BadLayout },
        { 0, 1, All, 1, Areas + Data, 4096, Layout.BadLayout },
        { 0, 1, Areas, Data, All - 4095, 4096, Layout.BadLayout },
        { 0, 1, 1 << 20, 1, Areas, 4096, Layout.BadLayout },
    };

    [Theory]
    [MemberData(nameof(BadSetups))]
    public void A_bad_setup_is_refused_and_a_good_one_taken_after_it(
        uint reserved, uint threads, ulong dataOffset, ulong dataSize, ulong framesOffset, ulong framesSize, uint answer)
    {
        using var decoder = RawDecoder.Create(daemon.Source);
        decoder.Set(new(reserved, threads, dataOffset, dataSize, framesOffset, framesSize));

        Assert.Equal(answer, decoder.Ask());

        decoder.Set(Good);
        Assert.Equal(Layout.Ok, decoder.Ask());
        Assert.Equal(Layout.OpenAlready, decoder.Ask());
    }

    [Fact]
    public void Only_an_object_that_is_large_enough_can_be_opened()
    {
        using var decoder = RawDecoder.Create(daemon.Source);
        decoder.Set(Good);

        Assert.Equal(Layout.BadLayout, decoder.Ask(new PingRequest(Layout.Open)));
        Assert.Equal(Layout.BadLayout, decoder.Ask(new PingRequest(decoder.Memory, 0, 40, Layout.Open)));
        Assert.Equal(Layout.BadLayout, decoder.Ask(new PingRequest(decoder.Memory, 0, (1 << 20) - 1, Layout.Open)));
        Assert.Equal(Layout.BadLayout, decoder.Ask(new PingRequest(decoder.Memory, 8, (1 << 20) - 8, Layout.Open)));
        Assert.Equal(Layout.Ok, decoder.Ask());
    }

    [Fact]
    public void Pings_that_mean_nothing_are_refused()
    {
        using var decoder = RawDecoder.Create(daemon.Source);

        Assert.Equal(Layout.BadRequest, decoder.Ask(new PingRequest(Layout.Doorbell)));
        Assert.Equal(Layout.BadRequest, decoder.Ask(new PingRequest(0)));
        Assert.Equal(Layout.BadRequest, decoder.Ask(new PingRequest(All)));
        Assert.Equal(Layout.BadRequest, decoder.Ask(new PingRequest(decoder.Memory, 3)));
    }

    [Theory]
    [InlineData(65)]
    [InlineData(uint.MaxValue)]
    [InlineData(1u << 31)]
    public void More_chunks_than_the_ring_has_end_it(uint written)
    {
        using var decoder = RawDecoder.Open(daemon.Source);

        decoder.Write(Layout.ChunksWritten, written);

        Assert.Equal(Layout.BrokenChunks, decoder.AwaitBroken());
    }

    [Theory]
    [InlineData(Areas - 1, 1, 0)] // before the data
    [InlineData(Areas + Data, 1, 0)] // behind it
    [InlineData(Areas + Data - 1, 2, 0)] // partly behind it
    [InlineData(Areas, (uint)Data + 1, 0)]
    [InlineData(All, 1, 0)]
    [InlineData(All - 3, 8, 0)]
    [InlineData(Areas, uint.MaxValue, 0)]
    [InlineData(Areas, 0, 0)] // empty, and not the end
    [InlineData(Areas, 1, 1)] // the end, and not empty
    public void A_chunk_that_is_not_in_the_data_area_ends_it(ulong offset, uint size, uint flags)
    {
        using var decoder = RawDecoder.Open(daemon.Source);

        decoder.PutEntry(offset, size, flags);

        Assert.Equal(Layout.BrokenChunk, decoder.AwaitBroken());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(uint.MaxValue)]
    public void A_return_of_what_is_not_out_ends_it(uint written)
    {
        using var decoder = RawDecoder.Open(daemon.Source);

        decoder.Write(Layout.ReturnsWritten, written);

        Assert.Equal(Layout.BrokenReturns, decoder.AwaitBroken());
    }

    [Theory]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(uint.MaxValue)]
    public async Task A_return_of_a_token_that_is_not_out_ends_it(uint token)
    {
        using var decoder = RawDecoder.Open(daemon.Source);
        decoder.PutAll(await Sample.GetAsync(Sample.H264));
        decoder.AwaitEvent(outputs: 27);

        decoder.Return(token);

        Assert.Equal(Layout.BrokenReturns, decoder.AwaitBroken());
    }

    [Fact]
    public async Task A_token_that_comes_back_twice_ends_it()
    {
        using var decoder = RawDecoder.Open(daemon.Source);
        decoder.PutAll(await Sample.GetAsync(Sample.H264));
        decoder.AwaitEvent(outputs: 27);
        Assert.True(decoder.TryTake(out var output));

        decoder.Return(output.Token);
        decoder.Return(output.Token);

        Assert.Equal(Layout.BrokenReturns, decoder.AwaitBroken());
    }

    [Fact]
    public async Task Outputs_that_were_taken_before_they_were_written_end_it()
    {
        using var decoder = RawDecoder.Open(daemon.Source);
        decoder.Write(Layout.OutputsTaken, 1);

        decoder.PutAll(await Sample.GetAsync(Sample.H264));

        Assert.Equal(Layout.BrokenOutputs, decoder.AwaitBroken());
    }

    [Fact]
    public async Task What_has_stopped_does_nothing_more_and_holds_up_nobody()
    {
        using var broken = RawDecoder.Open(daemon.Source);
        broken.PutEntry(0, 1, 0);
        Assert.Equal(Layout.BrokenChunk, broken.AwaitBroken());

        broken.Ring();
        Assert.Equal(Layout.OpenAlready, broken.Ask());
        Assert.Equal(0u, broken.Read(Layout.ChunksTaken));
        using var decoder = Playback.Open(daemon.Source);
        var sample = await Sample.GetAsync(Sample.H264);
        Assert.Equal(await sample.ExpectedAsync(), Playback.Run(decoder, sample).Pictures);
    }

    [Fact]
    public async Task No_line_of_the_log_comes_of_what_a_guest_sends()
    {
        var sample = await Sample.GetAsync(Sample.H264);
        using (RawDecoder.Open(daemon.Source))
        {
            // The first one of all connects, of which the log has lines.
        }

        Assert.True(
            SpinWait.SpinUntil(() => daemon.Lines.Any(line => line.Contains("The guest sees the arena", StringComparison.Ordinal)), Patience.Limit),
            "Nobody said that the guest sees the arena.");
        var before = daemon.Lines.Count;
        for (var round = 0; round < 50; round++)
        {
            using var decoder = RawDecoder.Open(daemon.Source);
            decoder.Put([1, 2, 3, 4]);
            decoder.PutEnd();
            decoder.PutAll(sample);
            decoder.Return(77);
            decoder.AwaitBroken();
        }

        Assert.Equal(before, daemon.Lines.Count);
    }
}
