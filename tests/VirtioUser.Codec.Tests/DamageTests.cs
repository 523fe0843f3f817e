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
            using var decoder = Playback.Open(daemon.Source, random.Next(5), random.Next(5) == 0 ? random.Next(1 << 12, 1 << 19) : 8 << 20);
            Playback playback = new();
            try
            {
                playback.Run(decoder, Damage(sample.Bytes, random));
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
            using var decoder = RawDecoder.Open(daemon.Source, (uint)random.Next(5), framesSize: 2 << 20);
            using var done = new CancellationTokenSource();
            var scribbling = Task.Run(() => Scribble(decoder, new Random(seed - round), rings: round % 2 == 1, done.Token), TestContext.Current.CancellationToken);
            foreach (var piece in sample.Pieces(25).Concat(sample.Pieces(25)))
            {
                decoder.Put(piece);
                decoder.Ring();
                for (var i = 0; i < 10 && decoder.TryTake(out var output); i++)
                {
                    decoder.Return(output.Token);
                }
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

    private static byte[] Damage(byte[] bytes, Random random)
    {
        // Pieces about as long as pictures are lost, come twice, are cut off, and change places.
        List<byte[]> pieces = [.. bytes.Chunk((bytes.Length / 30) + 1)], damaged = [];
        for (var number = 0; number < pieces.Count; number++)
        {
            var piece = pieces[random.Next(60) == 0 ? random.Next(pieces.Count) : number];
            damaged.Add(random.Next(40) == 0 ? piece[..random.Next(piece.Length)] : random.Next(80) == 0 ? [] : piece);
        }

        byte[] all = [.. damaged.SelectMany(piece => piece)];
        for (var changes = random.Next(1, 20); changes > 0 && all.Length > 0; changes--)
        {
            // Headers are at the beginning.
            var at = random.Next(3) == 0 ? random.Next(Math.Min(all.Length, 200)) : random.Next(all.Length);
            all[at] ^= (byte)(random.Next(2) == 0 ? 1 << random.Next(8) : random.Next(256));
        }

        return all;
    }

    private static void Scribble(RawDecoder decoder, Random random, bool rings, CancellationToken done)
    {
        // The pictures and the stream; the whole object, rings and words too.
        var length = (int)decoder.Memory.Length;
        var from = rings ? 0 : (int)Layout.Areas;
        var bytes = decoder.Memory.Span;
        while (!done.IsCancellationRequested)
        {
            for (var i = 0; i < 2000; i++)
            {
                bytes[(int)Layout.Areas + random.Next(512 << 10)] = (byte)random.Next(256);
            }

            bytes[random.Next(from, length)] = (byte)random.Next(256);
            if (rings)
            {
                bytes[random.Next((int)Layout.Areas)] = (byte)random.Next(256);
            }
        }
    }

    private async Task AssertWellAsync()
    {
        foreach (var clip in new[] { Sample.H264, Sample.Vp9, Sample.Av1 })
        {
            var sample = await Sample.GetAsync(clip);
            using var decoder = Playback.Open(daemon.Source);
            Assert.Equal(await sample.ExpectedAsync(), Playback.Run(decoder, sample).Pictures);
        }
    }
}
