// Much of what is allowed or refused, one after the other.
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class FloodCases
{
    private const string Log = "threat-model: Line 2";

    public static IEnumerable<HostileCase> All =>
    [
        HostileCase.Refused("flood: 20000 refused messages", Log, a =>
        {
            var connection = a.Negotiate();
            for (var i = 0; i < 20_000; i++)
            {
                connection.Ask(Request.SetVringNum, Wire.U32(0, 3));
            }
        }),
        HostileCase.Refused("flood: 12000 descriptors in refused messages", "vhost-user: Ancillary data", a =>
        {
            var connection = a.Negotiate();
            var files = Enumerable.Range(0, 8).Select(_ => a.SealedMemory(4096)).ToArray();
            for (var i = 0; i < 1500; i++)
            {
                connection.Ask(Request.SetMemTable, Wire.TableOf(9, new Region(0, 4096, 0)), files);
            }
        }),
        HostileCase.Ignored("flood: 5000 bad pings, refused requests and short buffers from one guest", Log, a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            for (var i = 0; i < 1000; i++)
            {
                guest.Ping(RawGuest.Echo(ulong.MaxValue));
                guest.Ask(ConfigOperation.FreeMemory, instance, 99);
                guest.Replies.Describe(1, guest.Replies.Buffers, 1, RawRing.Write);
                guest.Replies.Offer(1);
                guest.Events.Describe(1, guest.Events.Buffers, 1, RawRing.Write);
                guest.Events.Offer(1);
                guest.Pings.Describe(1, guest.Pings.Buffers, 1);
                guest.Pings.Offer(1);
                guest.Pings.AwaitUsed(1, "a malformed ping comes back");
            }

            guest.AssertGoesOn(instance);
        }),
        HostileCase.Ignored("flood: all four rings broken and the driver started again, 100 times", Log, a =>
        {
            var guest = a.Boot(arena: false);
            for (var i = 0; i < 100; i++)
            {
                foreach (var ring in guest.Rings)
                {
                    ring.AvailableIndex += 0x4000;
                    ring.Kick.Signal();
                }

                foreach (var ring in guest.Rings)
                {
                    guest.Connection.Question(Request.GetVringBase, Wire.U32((uint)ring.Index, 0));
                    ring.Reset();
                    guest.Tell(ring);
                }
            }
        }),
        HostileCase.Ignored("flood: 200 callbacks that throw", Log, a =>
        {
            var guest = a.Boot();
            for (var i = 0; i < 200; i++)
            {
                var instance = guest.Create();
                guest.OfferPings(RawGuest.Echo(instance, events: 0) with { Metadata = TestDevice.Dependency.TestDevices.Metadata(TestDevice.Dependency.TestOperation.Throw) });
                guest.Pings.AwaitUsed(0, "a ping whose callback throws");
                guest.Ask(ConfigOperation.DestroyInstance, instance);
            }
        }),
        HostileCase.Ignored("flood: 200 create callbacks that throw", Log, a =>
        {
            var guest = a.Boot();
            var request = new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = 1 };
            request.FirstDevice = new DeviceIdentity(TestDevice.Dependency.TestDevices.Vendor, TestDevice.Dependency.TestDevices.Failing, 1);
            for (var i = 0; i < 200; i++)
            {
                guest.Ask(request);
            }
        }),
        HostileCase.Ignored("flood: 20000 pings", "protocol: Ping messages", a =>
        {
            var guest = a.Boot(512);
            var instance = guest.Create();
            var pings = Enumerable.Range(0, 200).Select(i => RawGuest.Echo(instance, (ulong)i, events: 0)).ToArray();
            for (var i = 0; i < 100; i++)
            {
                guest.OfferPings(pings);
                guest.Pings.AwaitUsed(199, "pings come back");
            }

            guest.AssertGoesOn(instance);
        }),
        HostileCase.Ignored("flood: 100 guests, one after the other, that do not say goodbye", "protocol: Starts, stops and the end of a driver", a =>
        {
            for (var i = 0; i < 100; i++)
            {
                var guest = a.Boot();
                guest.Ask(ConfigOperation.AllocateMemory, guest.Create(), size: 1 << 20);
                guest.Dispose();
            }
        }),
        HostileCase.Ignored("flood: 1000 halves of messages on 1000 connections", "vhost-user: Message Specification, Header", a =>
        {
            for (var i = 0; i < 1000; i++)
            {
                var connection = a.Connect();
                connection.SendBytes(Wire.U32((uint)Request.SetFeatures, Wire.Version, 8), a.Random.Next(2) == 0 ? [] : [connection.Descriptor]);
                connection.SendBytes(new byte[8]);
                connection.Dispose();
            }
        }),
        HostileCase.Ignored("flood: the arena allocated full, piece by piece", "protocol: Limits", a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            while (guest.Ask(ConfigOperation.AllocateMemory, instance, size: 16 << 20).Error == ConfigError.None)
            {
            }

            guest.AssertGoesOn(instance);
        }),
    ];
}
