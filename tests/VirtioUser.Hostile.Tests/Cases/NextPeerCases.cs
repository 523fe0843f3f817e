// What must not reach the next connection: bytes, entries of rings, answers, waits.
using TestDevice.Dependency;
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class NextPeerCases
{
    private const string Model = "threat-model: Line 2", Rings = "protocol: Starts, stops and the end of a driver";

    // Not a value that a page has by chance.
    private static readonly byte[] Secret = [.. Enumerable.Range(0, 64).Select(i => (byte)((i * 37) + 11))];

    private static readonly (string Ring, int Index, bool Ends)[] LongRings =
    [
        ("request", Limits.ConfigTxQueue, false), ("reply", Limits.ConfigRxQueue, false), ("ping", Limits.PingQueue, false), ("event", Limits.EventQueue, false),
        ("request", Limits.ConfigTxQueue, true), ("reply", Limits.ConfigRxQueue, true), ("ping", Limits.PingQueue, true), ("event", Limits.EventQueue, true),
    ];

    public static IEnumerable<HostileCase> All =>
    [
        HostileCase.Ignored("bytes of the former VM: in use by a callback at its end", Model, a =>
        {
            var gate = a.ShutGate();
            var former = a.Honest();
            var instance = former.Create();
            var memory = former.Allocate(instance, 1 << 20);
            Mark(former.Bytes(memory));
            former.Send(instance, TestOperation.Wait, gate, events: 0, memory);
            former.Call(former.Create(), TestOperation.Echo, 1);
            former.Dispose();
            Look(a, memory.Offset, memory.Size);
        }) with { Patience = TimeSpan.FromSeconds(20) },
        HostileCase.Ignored("bytes of the former VM: the digest device is at work at its end", Model, a =>
        {
            const ulong Size = 256 << 20;
            var former = a.Honest();
            var instance = former.Create(device: 2);
            var memory = former.Allocate(instance, Size);
            for (ulong at = 0; at < Size; at += 8 << 20)
            {
                Secret.CopyTo(former.Vm.Window!.GetSpan(memory.Offset + at, 64));
            }

            former.Send(new PingMessage { InstanceHandle = instance, Metadata = 0, ShmId = memory.Id, ShmSize = Size });
            former.Vm.FrontEnd.GetFeatures();
            former.Dispose();
            Look(a, memory.Offset, Size);
        }) with { Patience = TimeSpan.FromSeconds(30) },
        HostileCase.Ignored("bytes of the former VM: 3000 instances with objects", Model, a =>
        {
            var former = a.Honest();
            ulong last = 0;
            for (var i = 0; i < 3000; i++)
            {
                var memory = former.Allocate(former.Create(), 4096);
                Secret.CopyTo(former.Bytes(memory));
                last = memory.Offset + memory.Size;
            }

            former.Dispose();
            Look(a, 0, last);
        }) with { Patience = TimeSpan.FromSeconds(20) },
        HostileCase.Ignored("bytes of the former VM: written where no object is", Model, a =>
        {
            var guest = a.Boot();
            Mark(guest.Arena.GetSpan(512 << 20, 1 << 20));
            guest.Dispose();
            Look(a, 512 << 20, 1 << 20);
        }),
        HostileCase.Ignored("bytes of the former VM: written after its end by a front-end that keeps the arena", "threat-model: Line 3", a =>
        {
            var guest = a.Boot();
            var arena = guest.Arena;
            guest.Connection.Dispose();
            var next = a.Honest();
            var instance = next.Create();
            var memory = next.Allocate(instance, 1 << 20);
            Mark(arena.GetSpan(memory.Offset, 1 << 20));
            if (next.Bytes(memory).IndexOf(Secret) >= 0)
            {
                throw new HarmException("A former front-end writes into the memory of the next VM.");
            }

            next.Bytes(memory).Fill(0x5A);
            if (arena.GetSpan(memory.Offset, 1 << 20).IndexOf((byte)0x5A) >= 0)
            {
                throw new HarmException("A former front-end reads the memory of the next VM.");
            }
        }),
        HostileCase.Ignored("bytes of the former driver: a reboot of the guest with a callback at work", Rings, a =>
        {
            var gate = a.ShutGate();
            var driver = a.Honest();
            var instance = driver.Create();
            var memory = driver.Allocate(instance, 1 << 20);
            Mark(driver.Bytes(memory));
            driver.Send(instance, TestOperation.Wait, gate, events: 0, memory);
            driver.Vm.Stop();
            driver.Start();
            var fresh = driver.Allocate(driver.Create(), 1 << 20);
            if (driver.Bytes(fresh).IndexOfAnyExcept((byte)0) >= 0)
            {
                throw new HarmException("New memory of the next driver is not empty.");
            }
        }) with { Patience = TimeSpan.FromSeconds(20) },
        HostileCase.Ignored("waiting pings of the former connection give their entries to the next one", Rings, a =>
        {
            var gate = a.ShutGate();
            var former = a.Boot(256);
            var instance = former.Create();
            var wait = RawGuest.Echo(instance, events: 0) with { Metadata = TestDevices.Metadata(TestOperation.Wait, gate) };
            former.OfferPings([wait, .. Enumerable.Repeat(RawGuest.Echo(instance, events: 0), 199)]);
            former.Create();
            former.Dispose();

            var next = a.Boot(64, first: 1);
            var other = next.Create();
            next.Ping(RawGuest.Echo(other) with { Metadata = TestDevices.Metadata(TestOperation.Release, gate) });
            for (var i = 0; i < 20; i++)
            {
                next.Ping(RawGuest.Echo(other));
            }

            if (next.Pings.Returned.Count > 0 || next.Pings.TryUsed(out _))
            {
                throw new HarmException("Entries came back that this driver never made available.");
            }
        }) with { Patience = TimeSpan.FromSeconds(20) },
        HostileCase.Ignored("answers of the former connection wait for an event buffer", Rings, a =>
        {
            var former = a.Boot();
            var instance = former.Create();
            former.OfferPings([.. Enumerable.Range(0, 32).Select(i => RawGuest.Echo(instance, (ulong)i + 100))]);
            former.Create();
            former.Dispose();
            var next = a.Boot(64, first: 1);
            next.AssertGoesOn(next.Create());
            if (next.Events.Returned.Count > 0)
            {
                throw new HarmException("An event of the former connection came.");
            }
        }),
        HostileCase.Ignored("a reply of the former connection waits for a buffer", Rings, a =>
        {
            var former = a.Boot();
            former.OfferRequest(new ConfigMessage { Operation = ConfigOperation.AllocateMemory });
            former.Requests.AwaitUsed(0, "a request");
            former.Dispose();
            var next = a.Boot(64, first: 1);
            if (next.Ask(ConfigOperation.EnumerateDevices).Operation != ConfigOperation.EnumerateDevices)
            {
                throw new HarmException("A reply of the former connection came.");
            }
        }),
        HostileCase.Refused("an instance of the former connection is pinged", "protocol: Ping messages", a =>
        {
            var former = a.Boot();
            var instance = former.Create();
            former.Dispose();
            var next = a.Boot();
            a.Saw = next.Ping(RawGuest.Echo(instance)) == Revents.Refused ? Verdict.Refused : null;
        }),
        HostileCase.Refused("an object of the former connection is imported", "protocol: Config messages", a =>
        {
            var former = a.Boot();
            var instance = former.Create();
            var id = former.Ask(ConfigOperation.AllocateMemory, instance, size: 4096).ShmId;
            former.Ask(ConfigOperation.ExportMemory, instance, id);
            former.Dispose();
            var next = a.Boot();
            a.Saw = next.Ask(ConfigOperation.ImportMemory, next.Create(), id).Error == ConfigError.ImportFailed ? Verdict.Refused : null;
        }),
        .. LongRings.Select(each => HostileCase.Ignored(
            $"{each.Ring} ring: 32768 chains of 32768 descriptors, {(each.Ends ? "then the connection ends" : "then GET_VRING_BASE")}", "VIRTIO 1.2: 2.7.5.1", a =>
            {
                var guest = LongChains(a, each.Index);
                if (each.Ends)
                {
                    guest.Connection.Dispose();
                    return;
                }

                var began = DateTime.UtcNow;
                guest.Connection.Question(Request.GetVringBase, Wire.U32((uint)each.Index, 0));
                if (DateTime.UtcNow - began > TimeSpan.FromSeconds(8))
                {
                    throw new WedgedException("GET_VRING_BASE waited for a walk through 2^30 descriptors.");
                }
            }) with { Patience = TimeSpan.FromSeconds(8) }),
    ];

    private static void Mark(Span<byte> bytes)
    {
        for (var at = 0; at < bytes.Length; at += 4096)
        {
            Secret.CopyTo(bytes[at..]);
        }
    }

    /// <summary>The next front-end maps the arena, before it boots anything and after, and looks for what was there.</summary>
    private static void Look(Attack a, ulong offset, ulong length)
    {
        var next = a.Boot();
        var seen = 0;
        for (var round = 0; round < 5; round++)
        {
            for (ulong at = 0; at < length; at += 4096)
            {
                seen += next.Arena.GetSpan(offset + at, 64).SequenceEqual(Secret) ? 1 : 0;
            }

            if (seen > 0)
            {
                throw new HarmException($"{seen} marks of the former VM are readable.");
            }

            next.Ask(ConfigOperation.EnumerateDevices);
        }
    }

    /// <summary>Every chain of a ring is as long as the table, and goes round in it.</summary>
    internal static RawGuest LongChains(Attack a, int index)
    {
        const ushort Size = 32768;
        var guest = a.Boot(Size);
        var instance = guest.Create();
        var ring = guest.Rings[index];
        for (var i = 0; i < Size; i++)
        {
            ring.Describe(i, ring.Buffers, 0, (ushort)(RawRing.Next | (index is Limits.ConfigRxQueue or Limits.EventQueue ? RawRing.Write : 0)), (ushort)((i + 1) % Size));
        }

        guest.Bytes(ring.Available + 4, 2 * Size).Clear();
        ring.AvailableIndex += Size;
        ring.Kick.Signal();
        if (index == Limits.ConfigRxQueue)
        {
            guest.OfferRequest(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices });
        }
        else if (index == Limits.EventQueue)
        {
            guest.OfferPings(RawGuest.Echo(instance));
        }

        return guest;
    }
}
