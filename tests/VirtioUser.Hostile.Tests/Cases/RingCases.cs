// How rings are set up, started and stopped: sizes, indexes, addresses, descriptors.
using Virtio.Linux;
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class RingCases
{
    private const string Messages = "vhost-user: Front-end message types", States = "vhost-user: Ring states", Layout = "VIRTIO 1.2: 2.7 Split Virtqueues";

    private const ulong Base = RawGuest.FirstUserAddress, End = RawGuest.FirstUserAddress + RawGuest.Length;

    private static readonly Request[] Descriptors = [Request.SetVringKick, Request.SetVringCall, Request.SetVringErr];

    private static readonly (string What, ulong Table, ulong Used, ulong Available)[] Addresses =
    [
        ("the table outside memory", 0x1000, Base + 0x2000, Base + 0x1000),
        ("the available ring outside memory", Base, Base + 0x2000, 0x1000),
        ("the used ring outside memory", Base, 0x2000, Base + 0x1000),
        ("the table at 2^64-16", ulong.MaxValue - 15, Base + 0x2000, Base + 0x1000),
        ("the table at the end of memory", End, Base + 0x2000, Base + 0x1000),
        ("the table straddles the end of memory", End - 16, Base + 0x2000, Base + 0x1000),
        ("the available ring straddles the end of memory", Base, Base + 0x2000, End - 4),
        ("the used ring straddles the end of memory", Base, End - 8, Base + 0x1000),
        ("the table not aligned to 16", Base + 8, Base + 0x2000, Base + 0x1000),
        ("the available ring not aligned to 2", Base, Base + 0x2000, Base + 0x1001),
        ("the used ring not aligned to 4", Base, Base + 0x2002, Base + 0x1000),
        ("guest addresses instead of the front-end's", RawGuest.FirstAddress, RawGuest.FirstAddress + 0x2000, RawGuest.FirstAddress + 0x1000),
    ];

    private static readonly (string What, Func<Attack, FileDescriptor> Make)[] Wrong =
    [
        ("a pipe that is full", FullPipe),
        ("a socket", a => NativeMethods.Socket(1, 1)),
        ("/dev/null", a => NativeMethods.Open("/dev/null", 2)),
        ("a memfd", a => MemFd.Create("hostile-memory", 4096)),
        ("a timer", a => NativeMethods.Timer()),
        ("an epoll descriptor", a => NativeMethods.Epoll()),
        ("a file open as a path only", a => NativeMethods.Open("/dev/null", 0x200000)),
    ];

    public static IEnumerable<HostileCase> All =>
    [
        .. new uint[] { 0, 3, 100, 32769, 65535, 65536, 65600, 0x8000_0000, uint.MaxValue }.Select(size =>
            HostileCase.Refused($"ring of {size} descriptors", Layout, a => a.Negotiate().Ask(Request.SetVringNum, Wire.U32(0, size)))),
        .. new uint[] { 65536, 0x8000_0000, uint.MaxValue }.Select(index =>
            HostileCase.Refused($"ring base {index}", "vhost-user: VHOST_USER_SET_VRING_BASE", a => a.Negotiate().Ask(Request.SetVringBase, Wire.U32(0, index)))),
        .. new uint[] { 4, 255, 256, 65536, 0x8000_0000, uint.MaxValue }.SelectMany(index => new[]
        {
            HostileCase.Refused($"SET_VRING_NUM of ring {index}", Messages, a => a.Negotiate().Ask(Request.SetVringNum, Wire.U32(index, 64))),
            HostileCase.Refused($"SET_VRING_ADDR of ring {index}", Messages, a => a.Prepare(arena: false).Connection.Ask(Request.SetVringAddr, Wire.Address(index, Base, Base, Base))),
            HostileCase.Refused($"SET_VRING_ENABLE of ring {index}", Messages, a => a.Negotiate().Ask(Request.SetVringEnable, Wire.U32(index, 1))),
        }),
        .. Addresses.Select(each => HostileCase.Refused($"ring addresses: {each.What}", Layout, a => StartAt(a, each.Table, each.Used, each.Available))),
        HostileCase.Refused("a new kick for the last ring that runs, whose memory is gone, and then no ring at all", States, a =>
        {
            var guest = a.Boot();
            guest.Create();
            StopAllBut(guest, guest.Pings);
            guest.Connection.Must(Request.SetMemTable, Wire.Table(new Region(1UL << 33, 1 << 20, 1UL << 33)), a.SealedMemory());
            guest.Connection.Ask(Request.SetVringKick, Wire.U64((ulong)guest.Pings.Index), guest.Pings.Kick.Descriptor);
            a.Saw = guest.Connection.LastAnswer == Answer.Refused ? Verdict.Refused : Verdict.Ignored;
        }) with { StaysConnected = true },
        HostileCase.Refused("a new kick for the last ring that runs, whose memory is gone, and then another driver with other features", States, a =>
        {
            var guest = a.Boot();
            var old = guest.Create();
            StopAllBut(guest, guest.Pings);
            guest.Connection.Must(Request.SetMemTable, Wire.Table(new Region(1UL << 33, 1 << 20, 1UL << 33)), a.SealedMemory());
            var answer = guest.Connection.Ask(Request.SetVringKick, Wire.U64((ulong)guest.Pings.Index), guest.Pings.Kick.Descriptor);
            guest.Connection.Question(Request.GetVringBase, Wire.U32((uint)guest.Pings.Index, 0));
            foreach (var ring in guest.Rings)
            {
                // Else each would start as soon as it is told, before the others are.
                guest.Connection.Must(Request.SetVringEnable, Wire.U32((uint)ring.Index, 0));
            }

            guest.Connection.Must(Request.SetFeatures, Wire.U64(Wire.Sound | Wire.Indirect));
            guest.Connection.Must(Request.SetFeatures, Wire.U64(Wire.Sound));
            guest.Start();
            if (guest.Ping(RawGuest.Echo(old)) == 7)
            {
                throw new HarmException("An instance of the driver before answers.");
            }

            guest.AssertGoesOn(guest.Create());
            a.Saw = answer == Answer.Refused ? Verdict.Refused : Verdict.Ignored;
        }),
        HostileCase.Refused("ring addresses: logging, which was not offered", "vhost-user: Migration", a =>
        {
            var guest = a.Boot(arena: false);
            guest.Connection.Question(Request.GetVringBase, Wire.U32(0, 0));
            guest.Connection.Ask(Request.SetVringAddr, Wire.Address(0, Base, Base, Base, flags: 1, log: Base));
        }),
        HostileCase.Ignored("ring addresses: all three parts of all four rings in the same place", Layout, a =>
        {
            var guest = a.Prepare(arena: false);
            guest.TellMemory(withArena: false);
            foreach (var ring in guest.Rings)
            {
                guest.Tell(ring);
                guest.Connection.Must(Request.SetVringAddr, Wire.Address((uint)ring.Index, Base, Base, Base));
                guest.Connection.Must(Request.SetVringEnable, Wire.U32((uint)ring.Index, 1));
            }

            guest.Bytes(RawGuest.FirstAddress, 4096).Fill(1);
            foreach (var ring in guest.Rings)
            {
                ring.Kick.Signal();
            }
        }),
        HostileCase.Refused("ring addresses: a table before there is memory", Messages, a => a.Negotiate().Ask(Request.SetVringAddr, Wire.Address(0, Base, Base, Base))),
        .. Descriptors.SelectMany(request => Wrong.Select(each => HostileCase.Refused(
            $"{request}: {each.What} instead of an eventfd", Messages, a => a.Negotiate().Ask(request, Wire.U64(0), a.Own(each.Make(a)))))),
        .. Descriptors.SelectMany(request => new[]
        {
            HostileCase.Ended($"{request}: the connection itself instead of an eventfd", Messages, a => a.Negotiate().Ask(request, Wire.U64(0), a.Main!.Descriptor)),
            HostileCase.Refused($"{request}: a ring that does not exist", Messages, a => a.Negotiate().Ask(request, Wire.U64(4), a.EventFd().Descriptor)),
            HostileCase.Refused($"{request}: bits that have no meaning", Messages, a => a.Negotiate().Ask(request, Wire.U64(1UL << 63), a.EventFd().Descriptor)),
            HostileCase.Refused($"{request}: two descriptors", Messages, a => a.Negotiate().Ask(request, Wire.U64(0), a.EventFd().Descriptor, a.EventFd().Descriptor)),
            HostileCase.Refused($"{request}: no descriptor where one is announced", Messages, a => a.Negotiate().Ask(request, Wire.U64(0))),
            HostileCase.Refused($"{request}: a descriptor where none is announced", Messages, a => a.Negotiate().Ask(request, Wire.U64(0x100), a.EventFd().Descriptor)),
        }),
        HostileCase.Refused("SET_VRING_KICK: none, so that the ring would have to be polled", Messages, a => a.Negotiate().Ask(Request.SetVringKick, Wire.U64(0x100))),
        HostileCase.Refused("SET_VRING_ENABLE: neither 0 nor 1", Messages, a => a.Negotiate().Ask(Request.SetVringEnable, Wire.U32(0, 2))),
        .. new[] { Request.SetVringNum, Request.SetVringBase, Request.SetVringAddr }.Select(request => HostileCase.Refused(
            $"{request} of a ring that runs", States, a =>
            {
                var guest = a.Boot(arena: false);
                guest.Connection.Ask(request, request == Request.SetVringAddr ? RawGuest.Address(guest.Pings) : Wire.U32(2, 32));
            })),
        HostileCase.Ignored("rings enabled before anything else is told", States, a =>
        {
            var connection = a.Negotiate();
            for (uint ring = 0; ring < 4; ring++)
            {
                connection.Must(Request.SetVringEnable, Wire.U32(ring, 1));
            }
        }),
        HostileCase.Ignored("rings enabled and disabled 1000 times", States, a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            for (uint i = 0; i < 1000; i++)
            {
                guest.Connection.Must(Request.SetVringEnable, Wire.U32(i % 4, 0));
                guest.Connection.Must(Request.SetVringEnable, Wire.U32(i % 4, 1));
            }

            guest.AssertGoesOn(instance);
        }),
        HostileCase.Ignored("the device stopped and started 200 times", States, a =>
        {
            var guest = a.Boot();
            for (var i = 0; i < 200; i++)
            {
                for (uint ring = 0; ring < 4; ring++)
                {
                    guest.Connection.Question(Request.GetVringBase, Wire.U32(ring, 0));
                }

                foreach (var ring in guest.Rings)
                {
                    ring.Reset();
                    guest.Tell(ring);
                }
            }

            guest.AssertGoesOn(guest.Create());
        }),
        HostileCase.Ignored("the kick descriptor swapped 500 times under pings", States, a =>
        {
            var guest = a.Boot(arena: false);
            var instance = guest.Create();
            for (uint i = 0; i < 500; i++)
            {
                guest.OfferEvent();
                guest.OfferPings(RawGuest.Echo(instance, i));
                using var before = guest.Pings.ReplaceKick();
                guest.Connection.Must(Request.SetVringKick, Wire.U64(2), guest.Pings.Kick.Descriptor);
                guest.Events.AwaitUsed(0, "an answer under changing kicks");
                guest.Pings.AwaitUsed(0, "a ping under changing kicks");
            }
        }),
        HostileCase.Ignored("the call descriptor replaced 5000 times", "vhost-user: VHOST_USER_SET_VRING_CALL", a =>
        {
            var guest = a.Boot(arena: false);
            for (uint i = 0; i < 5000; i++)
            {
                guest.Connection.Must(Request.SetVringCall, Wire.U64(i % 4), guest.Rings[i % 4].Call.Descriptor);
            }
        }),
        HostileCase.Ignored("kicks without anything in the rings, 10000 times", "VIRTIO 1.2: 2.7.13.4 Available Buffer Notification", a =>
        {
            var guest = a.Boot();
            for (var i = 0; i < 10_000; i++)
            {
                guest.Rings[i % 4].Kick.Signal();
            }

            guest.AssertGoesOn(guest.Create());
        }),
    ];

    private static void StartAt(Attack a, ulong table, ulong used, ulong available)
    {
        var guest = a.Prepare(arena: false);
        guest.TellMemory(withArena: false);
        guest.Connection.Must(Request.SetVringNum, Wire.U32(0, 64));
        guest.Connection.Must(Request.SetVringBase, Wire.U32(0, 0));
        if (guest.Connection.Ask(Request.SetVringAddr, Wire.Address(0, table, used, available)) == Answer.Refused)
        {
            return;
        }

        // What straddles or is not aligned is seen at the start at the latest.
        guest.Connection.Must(Request.SetVringKick, Wire.U64(0), guest.Requests.Kick.Descriptor);
        guest.Connection.Ask(Request.SetVringEnable, Wire.U32(0, 1));
    }

    private static FileDescriptor FullPipe(Attack a)
    {
        var (read, write) = NativeMethods.Pipe();
        a.Own(read);
        NativeMethods.Write(write, new byte[65536]);
        return write;
    }

    private static void StopAllBut(RawGuest guest, RawRing last)
    {
        foreach (var ring in guest.Rings.Where(ring => ring != last))
        {
            guest.Connection.Question(Request.GetVringBase, Wire.U32((uint)ring.Index, 0));
        }
    }
}
