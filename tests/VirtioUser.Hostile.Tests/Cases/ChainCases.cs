// Descriptor chains that no sound driver makes, in each of the four rings.
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

/// <summary>A bad chain goes back unused, or is answered with an error, and the ring goes on.</summary>
internal static class ChainCases
{
    private const ushort Size = 64;
    private const ulong Mebibyte = 1 << 20, End = RawGuest.FirstAddress + RawGuest.Length, Middle = RawGuest.FirstAddress + (RawGuest.Length / 2);

    private static readonly string[] Rings = ["request", "reply", "ping", "event"];

    // Each begins at descriptor 1; F is WRITE in the rings that the device writes, L the length of their messages.
    private static readonly (string What, string Section, ulong Features, Action<RawRing, ushort, uint> Make)[] Chains =
    [
        ("a descriptor whose next is itself", "2.7.5.1", 0, (r, f, l) => r.Describe(1, r.Buffers, 1, (ushort)(f | RawRing.Next), 1)),
        ("a loop of two descriptors", "2.7.5.1", 0, (r, f, l) =>
        {
            r.Describe(1, r.Buffers, 1, (ushort)(f | RawRing.Next), 2);
            r.Describe(2, r.Buffers, 1, (ushort)(f | RawRing.Next), 1);
        }),
        ("a loop of descriptors of no bytes", "2.7.5.1", 0, (r, f, l) =>
        {
            r.Describe(1, r.Buffers, 0, (ushort)(f | RawRing.Next), 2);
            r.Describe(2, r.Buffers, 0, (ushort)(f | RawRing.Next), 1);
        }),
        ("a loop through the whole table", "2.7.5.1", 0, (r, f, l) => Chain(r, f, 0, Size - 1, loop: true)),
        ("next is one behind the table", "2.7.5", 0, (r, f, l) => r.Describe(1, r.Buffers, 1, (ushort)(f | RawRing.Next), Size)),
        ("next is 65535", "2.7.5", 0, (r, f, l) => r.Describe(1, r.Buffers, 1, (ushort)(f | RawRing.Next), ushort.MaxValue)),
        ("no bytes at all", "2.7.5", 0, (r, f, l) => r.Describe(1, r.Buffers, 0, f)),
        ("many descriptors of no bytes", "2.7.5", 0, (r, f, l) => Chain(r, f, 0, Size - 1, loop: false)),
        ("a byte too few", "2.7.4", 0, (r, f, l) => r.Describe(1, r.Buffers, l - 1, f)),
        ("only buffers for the other direction", "2.7.4", 0, (r, f, l) => r.Describe(1, r.Buffers, l, (ushort)(f ^ RawRing.Write))),
        ("a readable buffer after a writable one", "2.7.4.2", 0, (r, f, l) =>
        {
            r.Describe(1, r.Buffers, l, RawRing.Write | RawRing.Next, 2);
            r.Describe(2, r.Buffers, l);
        }),
        ("a buffer at address 0", "2.7.5", 0, (r, f, l) => r.Describe(1, 0, l, f)),
        ("a buffer outside memory", "2.7.5", 0, (r, f, l) => r.Describe(1, 1UL << 50, l, f)),
        ("a buffer right behind memory", "2.7.5", 0, (r, f, l) => r.Describe(1, End, l, f)),
        ("a buffer that straddles the end of memory", "2.7.5", 0, (r, f, l) => r.Describe(1, End - 4, l, f)),
        ("a buffer that straddles two regions", "2.7.5", 0, (r, f, l) => r.Describe(1, Middle - 4, l, f)),
        ("a buffer that begins before memory", "2.7.5", 0, (r, f, l) => r.Describe(1, RawGuest.FirstAddress - 4, l, f)),
        ("a buffer that wraps at 2^64", "2.7.5", 0, (r, f, l) => r.Describe(1, ulong.MaxValue - 3, l, f)),
        ("a buffer of 2^32-1 bytes", "2.7.5", 0, (r, f, l) => r.Describe(1, r.Buffers, uint.MaxValue, f)),
        ("a buffer of 2^31 bytes", "2.7.5", 0, (r, f, l) => r.Describe(1, r.Buffers, 0x8000_0000, f)),
        ("the second of two buffers outside memory", "2.7.5", 0, (r, f, l) =>
        {
            r.Describe(1, r.Buffers, 4, (ushort)(f | RawRing.Next), 2);
            r.Describe(2, 1UL << 50, l, f);
        }),
        ("an indirect descriptor without the feature", "2.7.5.3.1", 0, (r, f, l) => IndirectTo(r, r.Buffers + 4096, 16)),
        ("an indirect table inside an indirect table", "2.7.5.3.1", Wire.Indirect, (r, f, l) =>
        {
            IndirectTo(r, r.Buffers + 4096, 16);
            r.DescribeAt(r.Buffers + 4096, r.Buffers + 8192, 16, RawRing.Indirect);
        }),
        ("an indirect descriptor that also has a next", "2.7.5.3.1", Wire.Indirect, (r, f, l) =>
        {
            r.Describe(1, r.Buffers + 4096, 16, RawRing.Indirect | RawRing.Next, 2);
            r.DescribeAt(r.Buffers + 4096, r.Buffers, l, f);
        }),
        ("an indirect table of no bytes", "2.7.5.3", Wire.Indirect, (r, f, l) => IndirectTo(r, r.Buffers + 4096, 0)),
        ("an indirect table of 17 bytes", "2.7.5.3", Wire.Indirect, (r, f, l) => IndirectTo(r, r.Buffers + 4096, 17)),
        ("an indirect table longer than the queue", "2.7.5.3.1", Wire.Indirect, (r, f, l) => IndirectTo(r, r.Buffers + 4096, 16 * (Size + 1))),
        ("an indirect table of 2^32-16 bytes", "2.7.5.3", Wire.Indirect, (r, f, l) => IndirectTo(r, r.Buffers + 4096, uint.MaxValue - 15)),
        ("an indirect table outside memory", "2.7.5.3", Wire.Indirect, (r, f, l) => IndirectTo(r, 1UL << 50, 16)),
        ("an indirect table that wraps at 2^64", "2.7.5.3", Wire.Indirect, (r, f, l) => IndirectTo(r, ulong.MaxValue - 15, 64)),
        ("a loop inside an indirect table", "2.7.5.3.1", Wire.Indirect, (r, f, l) =>
        {
            IndirectTo(r, r.Buffers + 4096, 32);
            r.DescribeAt(r.Buffers + 4096, r.Buffers, 0, (ushort)(f | RawRing.Next), 1);
            r.DescribeAt(r.Buffers + 4112, r.Buffers, 0, (ushort)(f | RawRing.Next), 0);
        }),
        ("next points out of an indirect table", "2.7.5.3.1", Wire.Indirect, (r, f, l) =>
        {
            IndirectTo(r, r.Buffers + 4096, 16);
            r.DescribeAt(r.Buffers + 4096, r.Buffers, 0, (ushort)(f | RawRing.Next), 1);
        }),
    ];

    public static IEnumerable<HostileCase> All =>
        Enumerable.Range(0, Rings.Length).SelectMany(ring => Chains.Select(chain => new HostileCase(
            $"{Rings[ring]} ring: {chain.What}", $"VIRTIO 1.2: {chain.Section}", ring == Limits.ConfigTxQueue ? Verdict.Refused : Verdict.Ignored, a =>
            {
                var guest = a.Boot(Size, Wire.Sound | chain.Features, split: true);
                Try(a, guest, ring, r => chain.Make(
                    r,
                    ring is Limits.ConfigRxQueue or Limits.EventQueue ? RawRing.Write : (ushort)0,
                    ring switch { Limits.PingQueue => PingMessage.Size, Limits.EventQueue => EventMessage.Size, _ => ConfigMessage.Size }));
            })));

    /// <summary>Puts a bad chain, with head 1, into a ring of a running driver, and shows that all rings go on.</summary>
    internal static void Try(Attack a, RawGuest guest, int index, Action<RawRing> make)
    {
        var ring = guest.Rings[index];
        var instance = guest.Create();
        guest.Bytes(ring.Buffers, 4096).Fill(0x99);
        make(ring);
        switch (index)
        {
            case Limits.ConfigTxQueue:
                guest.OfferReply();
                ring.Offer(1);
                if (guest.TakeReply("the reply to a bad chain").Error == ConfigError.BadRequest)
                {
                    a.Saw = Verdict.Refused;
                }

                ring.AwaitUsed(1, "a bad chain comes back");
                break;
            case Limits.PingQueue:
                ring.Offer(1);
                ring.AwaitUsed(1, "a bad chain comes back");
                break;
            default:
                // The device looks at these when it has something to say, and takes the next one.
                ring.Offer(1);
                break;
        }

        guest.AssertGoesOn(instance);
        if (index is Limits.ConfigRxQueue or Limits.EventQueue && !ring.Returned.Contains((1, 0)))
        {
            throw new HarmException("The bad chain did not come back with no bytes written.");
        }
    }

    private static void Chain(RawRing ring, ushort flags, uint length, int count, bool loop)
    {
        for (var i = 1; i <= count; i++)
        {
            var last = i == count;
            ring.Describe(i, ring.Buffers, length, last && !loop ? flags : (ushort)(flags | RawRing.Next), (ushort)(last ? 1 : i + 1));
        }
    }

    private static void IndirectTo(RawRing ring, ulong table, uint length) => ring.Describe(1, table, length, RawRing.Indirect);
}
