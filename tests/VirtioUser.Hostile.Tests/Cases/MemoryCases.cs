// Memory tables, and files that are no guest memory.
using Virtio.Linux;
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class MemoryCases
{
    private const string Table = "vhost-user: VHOST_USER_SET_MEM_TABLE", Regions = "vhost-user: Memory regions description", Trust = "threat-model: Line 3";

    private const ulong Page = 4096, Mebibyte = 1 << 20, Tebibyte = 1UL << 40;

    // A table of one region with a good file, refused for its numbers.
    private static readonly (string What, Region Region)[] Numbers =
    [
        ("size 0", new(0x10_0000, 0, 0x1000_0000)),
        ("size 2^62", new(0x10_0000, 1UL << 62, 0x1000_0000)),
        ("size 2^62+4096", new(0x10_0000, (1UL << 62) + Page, 0x1000_0000)),
        ("size 2^63", new(0x10_0000, 1UL << 63, 0x1000_0000)),
        ("size 2^63-4096", new(0, (1UL << 63) - Page, 0)),
        ("size 2^64-4096", new(0, ulong.MaxValue - Page + 1, 0)),
        ("size of one byte", new(0x10_0000, 1, 0x1000_0000)),
        ("a byte more than whole pages", new(0x10_0000, Mebibyte + 1, 0x1000_0000)),
        ("more than the file", new(0x10_0000, 2 * Mebibyte, 0x1000_0000)),
        ("offset at the end of the file", new(0x10_0000, Page, 0x1000_0000, Mebibyte)),
        ("offset of one byte", new(0x10_0000, Page, 0x1000_0000, 1)),
        ("offset 2^62+4096", new(0x10_0000, Page, 0x1000_0000, (1UL << 62) + Page)),
        ("offset 2^63-4096", new(0x10_0000, Page, 0x1000_0000, (1UL << 63) - Page)),
        ("offset 2^63", new(0x10_0000, Page, 0x1000_0000, 1UL << 63)),
        ("offset 2^64-4096, which wraps to the file's beginning", new(0x10_0000, 2 * Page, 0x1000_0000, ulong.MaxValue - Page + 1)),
        ("guest address wraps at 2^64", new(ulong.MaxValue - Page + 1, 2 * Page, 0x1000_0000)),
        ("guest address not on a page", new(0x10_0001, Page, 0x1000_0000)),
        ("user address wraps at 2^64", new(0x10_0000, 2 * Page, ulong.MaxValue - Page + 1)),
        ("user address not on a page", new(0x10_0000, Page, 0x1000_0010)),
    ];

    // Sparse and sealed, so that the look at the file's size passes.
    private static readonly (string What, Region Region)[] Huge =
    [
        ("offset 2^62+4096 of a sparse file", new(0x10_0000, Page, 0x1000_0000, (1UL << 62) + Page)),
        ("size 2^62+4096 of a sparse file", new(0x10_0000, (1UL << 62) + Page, 0x1000_0000)),
        ("size 2^62 of a sparse file", new(0x10_0000, 1UL << 62, 0x1000_0000)),
        ("size 2^61 of a sparse file", new(0x10_0000, 1UL << 61, 0x1000_0000)),
        ("size 2^47 of a sparse file", new(0x10_0000, 1UL << 47, 0x1000_0000)),
        ("size 64 TiB of a sparse file", new(0x10_0000, 64 * Tebibyte, 0x1000_0000)),
        ("size 1 TiB and a page of a sparse file", new(0x10_0000, Tebibyte + Page, 0x1000_0000)),
        ("size 2^63-8192 and offset 4096 of a sparse file", new(0, (1UL << 63) - (2 * Page), 0, Page)),
    ];

    private static readonly (string What, Func<Attack, FileDescriptor> Make)[] Files =
    [
        ("a memfd without seals", a => NativeMethods.MemFd("hostile-unsealed", Mebibyte)),
        ("a memfd sealed against growing only", a => MemFd.Create("hostile-memory", Mebibyte, Seals.Grow)),
        ("a memfd sealed against writing", a => MemFd.Create("hostile-memory", Mebibyte, Seals.Grow | Seals.Shrink | Seals.Write)),
        ("a memfd sealed against new writers", a => MemFd.Create("hostile-memory", Mebibyte, Seals.Grow | Seals.Shrink | Seals.FutureWrite)),
        ("a memfd that is empty", a => MemFd.Create("hostile-memory", 0)),
        ("a plain file", a => NativeMethods.Open(typeof(MemoryCases).Assembly.Location, 0)),
        ("a file open as a path only", a => NativeMethods.Open(typeof(MemoryCases).Assembly.Location, 0x200000)),
        ("a folder", a => NativeMethods.Open("/tmp", 0x10000)),
        ("/dev/null", a => NativeMethods.Open("/dev/null", 2)),
        ("/dev/zero", a => NativeMethods.Open("/dev/zero", 2)),
        ("an eventfd", a => EventFd.Create().Descriptor),
        ("a pipe", a =>
        {
            var (read, write) = NativeMethods.Pipe();
            a.Own(write);
            return read;
        }),
        ("a socket", a => NativeMethods.Socket(1, 1)),
        ("an epoll descriptor", a => NativeMethods.Epoll()),
        ("a timer", a => NativeMethods.Timer()),
        ("an inotify descriptor", a => NativeMethods.Notify()),
        ("a process", a => NativeMethods.Process()),
    ];

    public static IEnumerable<HostileCase> All =>
    [
        .. Numbers.Select(each => HostileCase.Refused($"memory: {each.What}", Regions, a => a.Negotiate().Ask(Request.SetMemTable, Wire.Table(each.Region), a.SealedMemory()))),
        .. Huge.Select(each => HostileCase.Refused($"memory: {each.What}", Regions, a => a.Negotiate().Ask(Request.SetMemTable, Wire.Table(each.Region), a.SealedMemory((1UL << 63) - Page)))),
        .. Files.Select(each => HostileCase.Refused($"memory: {each.What} instead of guest memory", Trust, a =>
            a.Negotiate().Ask(Request.SetMemTable, Wire.Table(new Region(0x10_0000, Page, 0x1000_0000)), a.Own(each.Make(a))))),
        HostileCase.Ended("memory: the connection itself instead of guest memory", Trust, a =>
            a.Negotiate().Ask(Request.SetMemTable, Wire.Table(new Region(0x10_0000, Page, 0x1000_0000)), a.Main!.Descriptor)),
        HostileCase.Ignored("memory: the arena shrunk, grown and sealed by its front-end", Trust, a =>
        {
            var file = Held(a.Boot());
            foreach (var change in new Action[]
                { () => NativeMethods.Truncate(file, 4096), () => NativeMethods.Truncate(file, 1UL << 40), () => NativeMethods.Seal(file, Seals.FutureWrite) })
            {
                try
                {
                    change();
                }
                catch (InvalidOperationException)
                {
                    continue;
                }

                throw new HarmException("A front-end changed what the arena's file is.");
            }
        }),
        HostileCase.Refused("memory: a memfd open for reading only", Trust, a =>
        {
            var connection = a.Negotiate();
            var file = a.SealedMemory();
            using var use = new DescriptorPath(file);
            connection.Ask(Request.SetMemTable, Wire.Table(new Region(0x10_0000, Page, 0x1000_0000)), a.Own(NativeMethods.Open(use.Path, 0)));
        }),
        HostileCase.Ended("memory: huge offsets of a sparse file that ask for no answer", Regions, a =>
            a.Negotiate().Tell(Request.SetMemTable, Wire.Table(new Region(0x10_0000, Page, 0x1000_0000, (1UL << 62) + Page)), a.SealedMemory((1UL << 63) - Page))),
        HostileCase.Ended("memory: faults by huge offsets, 200 times", Regions, a =>
        {
            var file = a.SealedMemory((1UL << 63) - Page);
            for (var i = 0; i < 200; i++)
            {
                a.Negotiate().Tell(Request.SetMemTable, Wire.Table(new Region(0x10_0000, (1UL << 62) + Page, 0x1000_0000)), file);
                a.Main!.AwaitEnd();
            }
        }),
        HostileCase.Refused("memory: nine regions", Table, a => AskTable(a, Wire.TableOf(9, [.. Enumerable.Range(0, 9).Select(Small)]), 8)),
        HostileCase.Refused("memory: 2^32-1 regions", Table, a => AskTable(a, Wire.TableOf(uint.MaxValue, Small(0)), 1)),
        HostileCase.Refused("memory: 134217729 regions, whose length is 32 in 32 bits", Table, a => AskTable(a, Wire.TableOf(0x0800_0001, Small(0)), 1)),
        HostileCase.Refused("memory: a region more than the message carries", Table, a => AskTable(a, Wire.TableOf(2, Small(0)), 2)),
        HostileCase.Refused("memory: a message without a header", Table, a => AskTable(a, [1, 0, 0], 0)),
        HostileCase.Refused("memory: a region without a descriptor", Table, a => AskTable(a, Wire.Table(Small(0)), 0)),
        HostileCase.Refused("memory: a descriptor too few", Table, a => AskTable(a, Wire.Table(Small(0), Small(1)), 1)),
        HostileCase.Refused("memory: a descriptor too many", Table, a => AskTable(a, Wire.Table(Small(0)), 2)),
        HostileCase.Refused("memory: no region but a descriptor", Table, a => AskTable(a, Wire.Table(), 1)),
        HostileCase.Refused("memory: two regions overlap by a page", Regions, a => AskTable(a, Wire.Table(new(0x10_0000, 2 * Page, 0x1000_0000), new(0x10_1000, 2 * Page, 0x2000_0000)), 2)),
        HostileCase.Refused("memory: two regions at the same address", Regions, a => AskTable(a, Wire.Table(Small(0), Small(0)), 2)),
        HostileCase.Refused("memory: a region inside another", Regions, a => AskTable(a, Wire.Table(new(0, Mebibyte, 0x1000_0000), new(Page, Page, 0x2000_0000)), 2)),
        HostileCase.Ignored("memory: an empty table under a running device", Table, a =>
        {
            var guest = a.Boot();
            guest.Connection.Tell(Request.SetMemTable, Wire.Table());
            foreach (var ring in guest.Rings)
            {
                ring.Kick.Signal();
            }
        }),
        HostileCase.Ignored("memory: another file under a running device", Table, a =>
        {
            var guest = a.Boot();
            guest.Connection.Must(Request.SetMemTable, Wire.Table(new Region(RawGuest.FirstAddress, RawGuest.Length, RawGuest.FirstUserAddress)), a.SealedMemory(RawGuest.Length));
            foreach (var ring in guest.Rings)
            {
                ring.AvailableIndex = 1;
                ring.Kick.Signal();
            }
        }),
        HostileCase.Ignored("memory: the arena offered as guest memory", Trust, a =>
        {
            var guest = a.Boot();
            guest.Connection.Ask(Request.SetMemTable, Wire.Table([.. guest.Regions, new(RawGuest.ArenaAddress, guest.Arena.Length, 0x7800_0000_0000), new(2 * RawGuest.ArenaAddress, guest.Arena.Length, 0x7900_0000_0000)]), guest.Memory, guest.ArenaFile, guest.ArenaFile);
        }),
        HostileCase.Refused("memory: rings inside the arena of a file that is larger than the arena", Regions, a =>
        {
            var guest = a.Boot();
            guest.Connection.Ask(Request.SetMemTable, Wire.Table(new Region(0, 2 * guest.Arena.Length, 0x7800_0000_0000)), guest.ArenaFile);
        }),
        HostileCase.Ignored("memory: the table changed 500 times under pings", Table, a =>
        {
            var guest = a.Boot(arena: false);
            var instance = guest.Create();
            for (uint i = 0; i < 500; i++)
            {
                guest.OfferEvent();
                guest.OfferPings(RawGuest.Echo(instance, i));
                guest.Connection.Must(Request.SetMemTable, Wire.Table([.. guest.Regions, new(1UL << 33, Page, 0x1000_0000)]), guest.Memory, a.SealedMemory(Page));
                guest.Events.AwaitUsed(0, "an answer under a changing table");
                guest.Pings.AwaitUsed(0, "a ping under a changing table");
            }

            guest.AssertGoesOn(instance);
        }),
        HostileCase.Refused("memory: huge pages that do not exist", Trust, a =>
            a.Negotiate().Ask(Request.SetMemTable, Wire.Table(new Region(RawGuest.FirstAddress, 8 * Mebibyte, RawGuest.FirstUserAddress)), HugePages(a))),
        HostileCase.Refused("memory: a ring in huge pages that do not exist", Trust, a =>
        {
            var connection = a.Negotiate();
            var answer = connection.Ask(Request.SetMemTable, Wire.Table(new Region(RawGuest.FirstAddress, 8 * Mebibyte, RawGuest.FirstUserAddress)), HugePages(a));
            StartRing(a, connection);
            a.Saw = answer == Answer.Refused ? Verdict.Refused : null;
        }),
        HostileCase.Refused("memory: a buffer in huge pages that do not exist", Trust, a =>
        {
            var guest = a.Boot();
            var answer = guest.Connection.Ask(Request.SetMemTable, Wire.Table([.. guest.Regions, new(1UL << 33, 8 * Mebibyte, 0x6000_0000_0000)]), guest.Memory, HugePages(a));
            guest.Requests.Describe(1, 1UL << 33, ConfigMessage.Size);
            guest.OfferReply();
            guest.Requests.Offer(1);
            guest.TakeReply("the reply to a request in memory that is not there");
            a.Saw = answer == Answer.Refused ? Verdict.Refused : null;
        }),
        HostileCase.Refused("memory: the address space used up by sparse memory", Trust, a => UseUpAddresses(a, a.Negotiate(), [], [])) with { FreshDaemon = true },
        HostileCase.Refused("memory: the address space used up under a running device", Trust, a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            UseUpAddresses(a, guest.Connection, [.. guest.Regions, new(RawGuest.ArenaAddress, guest.Arena.Length, 0x7800_0000_0000)], [guest.Memory, guest.ArenaFile]);
            var refused = guest.Connection.LastAnswer;
            guest.Ping(new() { InstanceHandle = instance, Metadata = TestDevice.Dependency.TestDevices.Metadata(TestDevice.Dependency.TestOperation.Garbage, 16), Events = 1 });
            var failing = guest.Create();
            guest.Ping(new() { InstanceHandle = failing, Metadata = TestDevice.Dependency.TestDevices.Metadata(TestDevice.Dependency.TestOperation.Throw), Events = 1 });
            a.Saw = refused == Answer.Refused ? Verdict.Refused : null;
        }) with { FreshDaemon = true },
        HostileCase.Refused("memory: events written all over a sparse memory of 64 TiB", Trust, a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            var answer = guest.Connection.Ask(Request.SetMemTable, Wire.Table([.. guest.Regions, new(1UL << 46, 64 * Tebibyte, 0x1000_0000)]), guest.Memory, a.SealedMemory(64 * Tebibyte));
            var before = a.Daemon.ChargedBytes;
            for (uint i = 0; i < 2000; i++)
            {
                var inside = answer == Answer.Accepted;
                guest.Events.Describe(0, inside ? (1UL << 46) + (i * 2 * Mebibyte) : guest.Events.Buffers, EventMessage.Size, RawRing.Write);
                guest.Events.Offer(0);
                guest.OfferPings(RawGuest.Echo(instance));
                guest.Events.AwaitUsed(0, "an event into sparse memory");
                guest.Pings.AwaitUsed(0, "a ping comes back");
            }

            if (a.Daemon.ChargedBytes - before > 64 << 20)
            {
                throw new HarmException($"{a.Daemon.ChargedBytes - before} bytes more that the daemon is charged for.");
            }

            a.Saw = answer == Answer.Refused ? Verdict.Refused : null;
        }),
        HostileCase.Ignored("memory: shrunk and then sealed between the look at its size and the one at its seals", Trust, Shrink),
        HostileCase.Ignored("memory: shrunk and then sealed, on a new connection each time", Trust, a =>
        {
            for (var i = 0; i < (Attack.IsLong ? 5000 : 200); i++)
            {
                ShrinkOnce(a, a.Negotiate(), i);
                a.Main!.Dispose();
            }
        }),
        HostileCase.Ignored("memory: holes punched under running rings", Trust, a =>
        {
            var guest = a.Boot();
            MemFd.PunchHole(guest.Memory, 0, RawGuest.Length);
            foreach (var ring in guest.Rings)
            {
                ring.Kick.Signal();
            }
        }),
        HostileCase.Ignored("memory: given 2000 times", Table, a =>
        {
            var connection = a.Negotiate();
            for (var i = 0; i < 2000; i++)
            {
                using var file = MemFd.Create("hostile-memory", Mebibyte);
                connection.Must(Request.SetMemTable, Wire.Table(new Region(0x10_0000, Mebibyte, 0x1000_0000)), file);
            }
        }),
    ];

    /// <summary>Shrinks and seals a file while the daemon looks at it, and touches it when the daemon took it.</summary>
    /// <returns>False if the daemon has closed the connection.</returns>
    public static bool ShrinkOnce(Attack a, Connection connection, int attempt)
    {
        const ulong Size = 8 * Mebibyte;
        using var file = NativeMethods.MemFd("hostile-shrunk", Size);
        connection.SendBytes(Wire.Message((uint)Request.SetMemTable, Wire.Version | Wire.NeedReply, 40, Wire.Table(new Region(RawGuest.FirstAddress, Size, RawGuest.FirstUserAddress))), file);
        Thread.SpinWait(a.Random.Next(50 + (attempt % 1000)) * 4);
        NativeMethods.Truncate(file, 0);
        NativeMethods.Seal(file, Seals.Shrink);
        var answer = connection.Receive();
        if (answer?.Number == 0)
        {
            StartRing(a, connection);
        }

        return answer is not null;
    }

    private static void Shrink(Attack a)
    {
        var connection = a.Negotiate();
        for (var i = 0; i < (Attack.IsLong ? 200_000 : 4000) && ShrinkOnce(a, connection, i); i++)
        {
        }
    }

    private static FileDescriptor Held(RawGuest guest)
    {
        _ = guest.Arena;
        return guest.ArenaFile;
    }

    private static Region Small(int index) => new(0x10_0000 + ((ulong)index * Page), Page, 0x1000_0000 + ((ulong)index * Page));

    private static void AskTable(Attack a, byte[] table, int descriptors) =>
        a.Negotiate().Ask(Request.SetMemTable, table, [.. Enumerable.Range(0, descriptors).Select(_ => a.SealedMemory())]);

    private static FileDescriptor HugePages(Attack a)
    {
        var file = a.Own(NativeMethods.HugeMemFd(8 * Mebibyte));
        NativeMethods.Seal(file, Seals.Grow | Seals.Shrink);
        return file;
    }

    private static void StartRing(Attack a, Connection connection)
    {
        const ulong At = RawGuest.FirstUserAddress;
        connection.Ask(Request.SetVringNum, Wire.U32(0, 64));
        connection.Ask(Request.SetVringBase, Wire.U32(0, 0));
        connection.Ask(Request.SetVringAddr, Wire.Address(0, At, At + 0x2000, At + 0x1000));
        connection.Ask(Request.SetVringKick, Wire.U64(0), a.EventFd().Descriptor);
        connection.Ask(Request.SetVringEnable, Wire.U32(0, 1));
    }

    /// <summary>Seven sparse files, each as large as the daemon takes: by bisection through refusals.</summary>
    private static void UseUpAddresses(Attack a, Connection connection, Region[] regions, FileDescriptor[] files)
    {
        var (taken, given) = (regions.ToList(), files.ToList());
        ulong total = 0;
        for (var i = regions.Length; i < 8; i++)
        {
            var guest = (ulong)(i + 1) << 48;
            ulong accepted = 0;
            for (var bit = 47; bit >= 26; bit--)
            {
                var size = accepted + (1UL << bit);
                using var file = MemFd.Create("hostile-sparse", size);
                if (connection.Ask(Request.SetMemTable, Wire.Table([.. taken, new(guest, size, guest)]), [.. given, file]) == Answer.Accepted)
                {
                    accepted = size;
                }
            }

            if (accepted == 0)
            {
                break;
            }

            total += accepted;
            taken.Add(new(guest, accepted, guest));
            given.Add(a.SealedMemory(accepted));
        }

        connection.Ask(Request.SetMemTable, Wire.Table([.. taken]), [.. given]);
        if (total > 32 * Tebibyte)
        {
            throw new HarmException($"{total >> 40} TiB of sparse memory were mapped.");
        }

        // Far more than what was taken.
        connection.Ask(Request.SetMemTable, Wire.Table([.. taken, new(1UL << 60, 64 * Tebibyte, 1UL << 60)]), [.. given, a.SealedMemory(64 * Tebibyte)]);
    }
}
