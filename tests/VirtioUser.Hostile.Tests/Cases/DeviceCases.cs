// What a guest asks of the devices that ship: gzip and digest.
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class DeviceCases
{
    private const string Gzip = "devices/Gzip/README.md", Digest = "devices/Digest/README.md";

    private const uint GzipDevice = 1, DigestDevice = 2, Small = 4096, Large = 1 << 20;

    private const ulong Decompress = 1UL << 63;

    // A member of 64 MiB of zeros, as RFC 1952 has it: small here, large when it is unpacked.
    private static readonly byte[] Bomb = Pack(new byte[64 << 20]);

    public static IEnumerable<HostileCase> All =>
    [
        Answers("gzip: the input longer than the object", Gzip, GzipDevice, Small, Small, 4),
        Answers("gzip: the input as long as the object, with no room for its own header", Gzip, GzipDevice, Small - 7, Small, 4),
        Answers("gzip: an input of 2^63-1 bytes", Gzip, GzipDevice, long.MaxValue, Small, 4),
        Answers("gzip: an input of 2^63-8 bytes, so that 8 more wrap", Gzip, GzipDevice, (1UL << 63) - 8, Small, 4),
        Answers("gzip: 7 bytes named", Gzip, GzipDevice, 0, 7, 4),
        Answers("gzip: no memory named", Gzip, GzipDevice, 0, 0, 4),
        Answers("gzip: no room for the output", Gzip, GzipDevice, Small - 8, Small, 2),
        Answers("gzip: noise to decompress", Gzip, GzipDevice, Decompress | 1024, Small, 3, bytes => new Random(1).NextBytes(bytes[8..])),
        Answers("gzip: a member without its end", Gzip, GzipDevice, Decompress | 100, Large, 3, bytes => Bomb.AsSpan(0, 100).CopyTo(bytes[8..])),
        Answers("gzip: 64 MiB of zeros into a page", Gzip, GzipDevice, Decompress + (uint)Bomb.Length, Large, 2, bytes => Bomb.CopyTo(bytes[8..])),
        Answers("gzip: a length to decompress that is longer than the object", Gzip, GzipDevice, Decompress | Large, Small, 4),
        HostileCase.Ignored("gzip: the input changes while it is unpacked", "XSA-155: double fetch", a => Race(a, GzipDevice, Decompress + (uint)Bomb.Length)),
        HostileCase.Ignored("gzip: the input changes while it is packed", "XSA-155: double fetch", a => Race(a, GzipDevice, 1 << 19)),
        Answers("digest: an algorithm that does not exist", Digest, DigestDevice, 5, Small, 2),
        Answers("digest: bits that have no meaning", Digest, DigestDevice, 1UL << 63, Small, 2),
        Answers("digest: 63 bytes named", Digest, DigestDevice, 0, 63, 2),
        Answers("digest: no memory named", Digest, DigestDevice, 0, 0, 2),
        HostileCase.Ignored("digest: the algorithm changes with each of 1000 parts", Digest, a =>
        {
            var guest = a.Boot();
            var instance = guest.Create(DigestDevice);
            var id = guest.Ask(ConfigOperation.AllocateMemory, instance, size: Small).ShmId;
            for (ulong i = 0; i < 1000; i++)
            {
                guest.Ping(RawGuest.Echo(instance) with { Metadata = (i % 5) | 0x100, ShmId = id, ShmSize = Small });
            }
        }),
        HostileCase.Ignored("digest: the input changes while it is read", "XSA-155: double fetch", a => Race(a, DigestDevice, 0)),
        HostileCase.Ignored("digest: an input that is begun and never ended, by 200 instances", Digest, a =>
        {
            var guest = a.Boot();
            for (var i = 0; i < 200; i++)
            {
                var instance = guest.Create(DigestDevice);
                var id = guest.Ask(ConfigOperation.AllocateMemory, instance, size: Small).ShmId;
                guest.Ping(RawGuest.Echo(instance) with { Metadata = 0x100, ShmId = id, ShmSize = Small });
            }
        }),
    ];

    private static byte[] Pack(byte[] bytes)
    {
        using var packed = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionLevel.SmallestSize))
        {
            gzip.Write(bytes);
        }

        return packed.ToArray();
    }

    /// <summary>The device answers with its own error, and goes on.</summary>
    private static HostileCase Answers(
        string name, string section, uint device, ulong metadata, uint length, uint answer, Action<Span<byte>>? fill = null) => HostileCase.Refused(name, section, a =>
    {
        var guest = a.Boot();
        var instance = guest.Create(device);
        var memory = guest.Ask(ConfigOperation.AllocateMemory, instance, size: Large);
        fill?.Invoke(guest.Arena.GetSpan(memory.ShmOffset, (int)Large));
        var got = guest.Ping(RawGuest.Echo(instance) with { Metadata = metadata, ShmId = length == 0 ? 0 : memory.ShmId, ShmSize = length });
        if (got != answer)
        {
            throw new HarmException($"Answered with {got:x}, not {answer}.");
        }

        guest.AssertGoesOn(guest.Create());
        a.Saw = Verdict.Refused;
    });

    /// <summary>A second thread writes into the bytes that the device works on.</summary>
    private static void Race(Attack a, uint device, ulong metadata)
    {
        var guest = a.Boot();
        var instance = guest.Create(device);
        var memory = guest.Ask(ConfigOperation.AllocateMemory, instance, size: Large);
        using var stop = new CancellationTokenSource();
        var offset = memory.ShmOffset;
        Bomb.CopyTo(guest.Arena.GetSpan(offset + 8, Bomb.Length));
        var seed = a.Random.Next();
        var writer = Task.Factory.StartNew(
            () =>
            {
                var random = new Random(seed);
                while (!stop.IsCancellationRequested)
                {
                    guest.Arena.GetSpan(offset + (ulong)random.Next(Bomb.Length), 1)[0] = (byte)random.Next(256);
                }
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            for (var i = 0; i < 50; i++)
            {
                var answer = guest.Ping(RawGuest.Echo(instance) with { Metadata = metadata, ShmId = memory.ShmId, ShmSize = Large });
                if (answer is 0 or > 4)
                {
                    throw new HarmException($"Answered with {answer:x}.");
                }
            }
        }
        finally
        {
            stop.Cancel();
            writer.Wait();
        }
    }
}
