// Instances that come and go.
using Virtio.Linux;
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests;

public sealed class LifeTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>
{
    [Theory]
    [InlineData(ClipCodec.H264)]
    [InlineData(ClipCodec.Vp9)]
    [InlineData(ClipCodec.Av1)]
    public async Task A_decoder_can_be_closed_at_any_time(ClipCodec codec)
    {
        var sample = await Sample.GetAsync(codec);
        var pieces = sample.Pieces(25);
        for (var count = 0; count <= pieces.Count; count++)
        {
            using var decoder = RawDecoder.Open(daemon.Source, threads: (uint)count % 5, framesSize: (ulong)(1 + (count % 4)) << 16);
            foreach (var piece in pieces.Take(count))
            {
                decoder.Put(piece);
            }

            if (count % 2 == 1)
            {
                decoder.PutEnd();
            }

            decoder.Ring();
        }

        await daemon.WaitForAsync("virtio_user_instances", 0);
    }

    [Fact]
    public async Task An_object_that_the_guest_frees_stays_the_decoders()
    {
        await daemon.WaitForAsync("virtio_user_instances", 0);
        var decoder = RawDecoder.Open(daemon.Source);
        decoder.PutAll(await Sample.GetAsync(Sample.H264));
        decoder.Ring();
        decoder.Memory.Dispose();
        using var other = RawDecoder.Create(daemon.Source, 4 << 20);
        other.Memory.Span.Fill(7);

        // It wakes up, and writes to its object that it sleeps again.
        Assert.Equal(Layout.Ok, decoder.Ask(new PingRequest(Layout.Doorbell)));
        decoder.Dispose();
        await daemon.WaitForAsync("virtio_user_instances", 1);

        Assert.Equal(-1, other.Memory.Span.IndexOfAnyExcept((byte)7));
    }

    [Fact]
    public async Task More_than_sixteen_instances_are_refused_and_the_log_says_so_once()
    {
        await daemon.WaitForAsync("virtio_user_instances", 0);
        var instances = Enumerable.Range(0, 16).Select(_ => RawDecoder.Create(daemon.Source)).ToList();

        for (var attempt = 0; attempt < 5; attempt++)
        {
            Assert.Equal(Errno.EIO, Assert.Throws<VirtioUserException>(() => RawDecoder.Create(daemon.Source)).Errno);
        }

        Assert.Single(daemon.Lines, line => line.Contains("more than 16 decoders", StringComparison.Ordinal));
        instances[3].Dispose();
        await daemon.WaitForAsync("virtio_user_instances", 15);
        instances[3] = RawDecoder.Create(daemon.Source);
        instances.ForEach(each => each.Dispose());
    }

    [Fact]
    public async Task All_decoders_together_get_four_gibibytes_for_pictures()
    {
        await daemon.WaitForAsync("virtio_user_instances", 0);
        List<RawDecoder> decoders = [.. Enumerable.Range(0, 4).Select(_ => RawDecoder.Open(daemon.Source, framesSize: 1 << 30))];
        using var another = RawDecoder.Create(daemon.Source);
        another.Set(new(0, 1, Layout.Areas, 4096, Layout.Areas + 4096, 4096));

        Assert.Equal(Layout.NoResources, another.Ask());

        decoders[0].Dispose();
        await daemon.WaitForAsync("virtio_user_instances", 4);
        Assert.Equal(Layout.Ok, another.Ask());
        decoders.ForEach(each => each.Dispose());
    }
}
