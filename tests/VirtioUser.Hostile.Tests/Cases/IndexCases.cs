// Indexes that no sound driver writes, and rings that change while they are read.
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

/// <summary>The ring is broken: said once, and by the error descriptor; the rest of the connection goes on.</summary>
internal static class IndexCases
{
    private const string Section = "VIRTIO 1.2: 2.7.6 The Virtqueue Available Ring";
    private const ushort Size = 64;

    private static readonly string[] Rings = ["request", "reply", "ping", "event"];

    private static readonly (string What, Action<RawRing> Break)[] Breaks =
    [
        ("the index one more than the ring ahead", r => r.AvailableIndex += Size + 1),
        ("the index 32768 ahead", r => r.AvailableIndex += 0x8000),
        ("the index one back", r => r.AvailableIndex -= 1),
        ("a head one behind the table", r => r.Offer(Size)),
        ("a head of 65535", r => r.Offer(ushort.MaxValue)),
        ("the index runs backward by 64", r => r.AvailableIndex -= Size),
    ];

    public static IEnumerable<HostileCase> All =>
    [
        .. Enumerable.Range(0, Rings.Length).SelectMany(ring => Breaks.Select(each => HostileCase.Refused(
            $"{Rings[ring]} ring: {each.What}", Section, a =>
            {
                var guest = a.Boot(Size);
                Break(a, guest, ring, guest.Create(), each.Break);
            }))),
        HostileCase.Refused("all rings: filled with ones", Section, a =>
        {
            var guest = a.Boot(Size);
            guest.Bytes(RawGuest.FirstAddress, 4 << 20).Fill(0xFF);
            foreach (var ring in guest.Rings)
            {
                ring.Kick.Signal();
            }

            a.Saw = guest.Pings.Error.Wait(15_000) ? Verdict.Refused : throw new WedgedException("Nobody signalled the error descriptor.");
        }),
        HostileCase.Ignored("all rings: scrambled 20 times while they run", Section, a =>
        {
            for (var round = 0; round < 20; round++)
            {
                var guest = a.Boot(Size);
                guest.Create();
                for (var i = 0; i < 500; i++)
                {
                    var ring = guest.Rings[a.Random.Next(4)];
                    guest.Bytes(ring.Table + (ulong)a.Random.Next(2048), 1)[0] = (byte)a.Random.Next(256);
                    ring.Kick.Signal();
                }

                guest.Dispose();
            }
        }),
        HostileCase.Ignored("used rings overwritten by the driver", "VIRTIO 1.2: 2.7.8 The Virtqueue Used Ring", a =>
        {
            var guest = a.Boot(Size);
            var instance = guest.Create();
            foreach (var ring in guest.Rings)
            {
                guest.Bytes(ring.Used + 4, 8 * Size).Fill(0xFF);
            }

            guest.AssertGoesOn(instance);
        }),
        HostileCase.Ignored("the same head offered 64 times at once", "VIRTIO 1.2: 2.7.13 Supplying Buffers to The Device", a =>
        {
            var guest = a.Boot(Size);
            var instance = guest.Create();
            guest.OfferPings(RawGuest.Echo(instance, events: 0));
            guest.Pings.AwaitUsed(0, "a ping");
            guest.Pings.Offer([.. Enumerable.Repeat((ushort)0, Size)]);
            for (var i = 0; i < Size; i++)
            {
                guest.Pings.AwaitUsed(0, "a head that was offered many times");
            }

            guest.AssertGoesOn(instance);
        }),
        HostileCase.Ignored("event indexes that jump about", "VIRTIO 1.2: 2.7.7 Used Buffer Notification Suppression", a =>
        {
            var guest = a.Boot(Size, Wire.Sound | Wire.EventIndex);
            var instance = guest.Create();
            for (var i = 0; i < 200; i++)
            {
                foreach (var ring in guest.Rings)
                {
                    a.Random.NextBytes(guest.Bytes(ring.Available + 4 + (2 * Size), 2));
                    ring.Kick.Signal();
                }

                guest.OfferPings(RawGuest.Echo(instance, events: 0));
                SpinWait.SpinUntil(() => guest.Pings.TryUsed(out _), 15_000);
            }
        }),
        HostileCase.Ignored("flags of the available rings that have no meaning", Section, a =>
        {
            var guest = a.Boot(Size);
            foreach (var ring in guest.Rings)
            {
                guest.Bytes(ring.Available, 2).Fill(0xFE);
            }

            guest.AssertGoesOn(guest.Create());
        }),
    ];

    private static void Break(Attack a, RawGuest guest, int index, ulong instance, Action<RawRing> breaks)
    {
        var ring = guest.Rings[index];
        breaks(ring);
        ring.Kick.Signal();
        if (index == Limits.ConfigRxQueue)
        {
            guest.OfferRequest(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices });
        }
        else if (index == Limits.EventQueue)
        {
            guest.OfferPings(RawGuest.Echo(instance));
        }
        else if (index == Limits.ConfigTxQueue)
        {
            guest.OfferReply();
        }

        a.Saw = ring.Error.Wait(15_000) ? Verdict.Refused : throw new WedgedException("Nobody signalled the error descriptor.");
        if (!guest.Connection.Lives())
        {
            throw new HarmException("The connection ended.");
        }
    }
}
