// Thousands of damaged streams, and guests that write to everything while it is in use.
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests;

public sealed class DamageTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>
{
    [Theory]
    [InlineData(ClipCodec.H264)]
    [InlineData(ClipCodec.Vp9)]
    [InlineData(ClipCodec.Av1)]
    public async Task Damaged_streams_come_to_their_ends(ClipCodec codec)
    {
        const int Streams = 1200;
        var samples = await SamplesAsync(codec);
        var seed = NewSeed();
        var (frames, errors) = (0, 0);
        for (var number = 0; number < Streams; number++)
        {
            Random random = new(seed + number);
            var sample = samples[random.Next(samples.Length)];
            using var decoder = Playback.Open(daemon.Source, sample.Codec, random.Next(5), random.Next(5) == 0 ? random.Next(1 << 12, 1 << 19) : 8 << 20);
            Playback playback = new();
            try
            {
                playback.Run(decoder, Damage(sample.Packets, random));
            }
            catch (Exception e) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
            {
                Assert.Fail($"Stream {seed} + {number}: {e}");
            }

            frames += playback.Frames;
            errors += playback.Errors.Count;
        }

        // Streams were damaged, not destroyed.
        Assert.InRange(frames, Streams, int.MaxValue);
        Assert.InRange(errors, Streams / 10, int.MaxValue);
        await AssertWellAsync();
    }

    [Theory]
    [InlineData(ClipCodec.H264)]
    [InlineData(ClipCodec.Vp9)]
    [InlineData(ClipCodec.Av1)]
    public async Task A_guest_that_writes_to_everything_while_it_is_decoded_harms_only_itself(ClipCodec codec)
    {
        const int Rounds = 60;
        var samples = await SamplesAsync(codec);
        var seed = NewSeed();
        for (var round = 0; round < Rounds; round++)
        {
            Random random = new(seed + round);
            var sample = samples[random.Next(samples.Length)];
            using var decoder = RawDecoder.Open(daemon.Source, sample.Codec, (uint)random.Next(5), framesSize: 2 << 20);
            using var done = new CancellationTokenSource();
            var scribbling = Task.Run(() => Scribble(decoder, new Random(seed - round), rings: round % 2 == 1, done.Token), TestContext.Current.CancellationToken);
            foreach (var packet in sample.Packets.Concat(sample.Packets))
            {
                decoder.Put(packet.Bytes);
                decoder.Ring();
                for (var i = 0; i < 10 && decoder.TryTake(out var output); i++)
                    decoder.Return(output.Token);
            }

            await done.CancelAsync();
            await scribbling;
        }

        await AssertWellAsync();
    }

    private static Task<Sample[]> SamplesAsync(ClipCodec codec) => Task.WhenAll(Clips.Small.Where(clip => clip.Codec == codec).Select(Sample.GetAsync));

    // Given as VIRTIO_USER_SEED, it makes the same streams again.
    private static int NewSeed()
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("VIRTIO_USER_SEED"), out var given) ? given : Random.Shared.Next(1 << 30);
        TestContext.Current.TestOutputHelper?.WriteLine($"VIRTIO_USER_SEED={seed}");
        return seed;
    }

    private static List<Sample.Packet> Damage(IReadOnlyList<Sample.Packet> packets, Random random)
    {
        List<Sample.Packet> damaged = [];
        for (var number = 0; number < packets.Count; number++)
        {
            var packet = packets[random.Next(30) == 0 ? random.Next(packets.Count) : number];
            byte[] bytes = [.. packet.Bytes];
            if (random.Next(20) == 0)
                bytes = bytes[..random.Next(1, bytes.Length + 1)];
            if (random.Next(40) != 0)
                damaged.Add(new(bytes, packet.Timestamp));
        }

        for (var changes = random.Next(1, 20); changes > 0 && damaged.Count > 0; changes--)
        {
            // Headers are in the first packet, and in the first bytes of the others.
            var bytes = damaged[random.Next(3) == 0 ? 0 : random.Next(damaged.Count)].Bytes;
            var at = random.Next(bytes.Length);
            bytes[random.Next(2) == 0 ? random.Next(at + 1) : at] ^= (byte)(random.Next(2) == 0 ? 1 << random.Next(8) : random.Next(256));
        }

        return damaged;
    }

    private static void Scribble(RawDecoder decoder, Random random, bool rings, CancellationToken done)
    {
        // The pictures and the packets; the whole object, rings and words too.
        var length = (int)decoder.Memory.Length;
        var from = rings ? 0 : (int)Layout.Areas;
        var bytes = decoder.Memory.Span;
        while (!done.IsCancellationRequested)
        {
            for (var i = 0; i < 2000; i++)
                bytes[(int)Layout.Areas + random.Next(512 << 10)] = (byte)random.Next(256);
            bytes[random.Next(from, length)] = (byte)random.Next(256);
            if (rings)
                bytes[random.Next((int)Layout.Areas)] = (byte)random.Next(256);
        }
    }

    private async Task AssertWellAsync()
    {
        foreach (var clip in new[] { Sample.H264, Sample.Vp9, Sample.Av1 })
        {
            var sample = await Sample.GetAsync(clip);
            using var decoder = Playback.Open(daemon.Source, sample.Codec);
            Assert.Equal(await sample.ExpectedAsync(), Playback.Run(decoder, sample).Pictures);
        }
    }
}
