// Config requests and pings that a sound driver does not send.
using TestDevice.Dependency;
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class ConfigCases
{
    private const string Config = "protocol: Config messages", Pings = "protocol: Ping messages", Limit = "protocol: Limits";

    private static readonly ulong[] Handles = [0, 1UL << 40, 1UL << 63, ulong.MaxValue];

    private static readonly (string What, ulong Offset, ulong Size)[] Ranges =
    [
        ("a byte more than the object", 0, 4097), ("a byte behind the object", 4096, 1), ("offset 2^64-1", ulong.MaxValue, 1),
        ("offset and size wrap at 2^64", ulong.MaxValue - 4095, 8192), ("size 2^64-1", 0, ulong.MaxValue), ("size 2^63", 0, 1UL << 63),
        ("offset 2^63", 1UL << 63, 4096), ("offset 2^62 and size 2^62", 1UL << 62, 1UL << 62), ("the whole arena", 0, 1UL << 30),
    ];

    public static IEnumerable<HostileCase> All =>
    [
        .. new uint[] { 7, 8, 255, 65536, 0x8000_0000, uint.MaxValue }.Select(operation => Answered(
            $"config: operation {operation}", ConfigError.BadRequest, (g, i) => new() { Operation = (ConfigOperation)operation, InstanceHandle = i })),
        .. Enumerable.Range(0, 7).Select(operation => Answered(
            $"config: {(ConfigOperation)operation} with reserved flags", ConfigError.BadRequest, (g, i) => new() { Operation = (ConfigOperation)operation, InstanceHandle = i, ShmFlags = 1 })),
        .. new uint[] { 31 << 8, 255 << 8, (12 << 8) | 1, 1 << 16, 1U << 31 }.Select(flags => Answered(
            $"config: alloc with flags 0x{flags:x}", ConfigError.BadRequest, (g, i) => new() { Operation = ConfigOperation.AllocateMemory, InstanceHandle = i, ShmSize = 4096, ShmFlags = flags })),
        .. Handles.Select(handle => Answered(
            $"config: explain of instance {handle}", ConfigError.InstanceDestructionFailed, (g, i) => new() { Operation = ConfigOperation.Explain, InstanceHandle = handle })),
        .. Handles.SelectMany(handle => new[]
        {
            Answered($"config: destroy of instance {handle}", ConfigError.InstanceDestructionFailed, (g, i) => new() { Operation = ConfigOperation.DestroyInstance, InstanceHandle = handle }),
            Answered($"config: alloc by instance {handle}", ConfigError.AllocationFailed, (g, i) => new() { Operation = ConfigOperation.AllocateMemory, InstanceHandle = handle, ShmSize = 4096 }),
            Answered($"config: free by instance {handle}", ConfigError.FreeFailed, (g, i) => new() { Operation = ConfigOperation.FreeMemory, InstanceHandle = handle, ShmId = Object(g, i) }),
            Answered($"config: export by instance {handle}", ConfigError.ExportFailed, (g, i) => new() { Operation = ConfigOperation.ExportMemory, InstanceHandle = handle, ShmId = Object(g, i) }),
            Answered($"config: import by instance {handle}", ConfigError.ImportFailed, (g, i) => new() { Operation = ConfigOperation.ImportMemory, InstanceHandle = handle, ShmId = Object(g, i) }),
        }),
        .. Handles.SelectMany(id => new[]
        {
            Answered($"config: free of object {id}", ConfigError.FreeFailed, (g, i) => new() { Operation = ConfigOperation.FreeMemory, InstanceHandle = i, ShmId = id }),
            Answered($"config: export of object {id}", ConfigError.ExportFailed, (g, i) => new() { Operation = ConfigOperation.ExportMemory, InstanceHandle = i, ShmId = id }),
            Answered($"config: import of object {id}", ConfigError.ImportFailed, (g, i) => new() { Operation = ConfigOperation.ImportMemory, InstanceHandle = i, ShmId = id }),
        }),
        .. new (string What, ulong Size)[] { ("0", 0), ("2^30+1", (1UL << 30) + 1), ("2^62", 1UL << 62), ("2^63", 1UL << 63), ("2^64-1, which rounds up to 0", ulong.MaxValue), ("2^64-4096", ulong.MaxValue - 4095) }.Select(each => Answered(
            $"config: alloc of {each.What} bytes", ConfigError.AllocationFailed, (g, i) => new() { Operation = ConfigOperation.AllocateMemory, InstanceHandle = i, ShmSize = each.Size })),
        Answered("config: create of a device that does not exist", ConfigError.DeviceInitializationFailed, (g, i) => Create(0xFFFF_FFFF, 0xFFFF_FFFF, 1)),
        Answered("config: create of a version that the device does not accept", ConfigError.InstanceCreationFailed, (g, i) => Create(TestDevices.Vendor, TestDevices.Test, uint.MaxValue)),
        Answered("config: create of a device whose callback throws", ConfigError.InstanceCreationFailed, (g, i) => Create(TestDevices.Vendor, TestDevices.Failing, 1)),
        Answered("config: free of an object twice", ConfigError.FreeFailed, (g, i) =>
        {
            var id = Object(g, i);
            g.Ask(ConfigOperation.FreeMemory, i, id);
            return new() { Operation = ConfigOperation.FreeMemory, InstanceHandle = i, ShmId = id };
        }),
        Answered("config: free of another instance's object", ConfigError.FreeFailed, (g, i) => new() { Operation = ConfigOperation.FreeMemory, InstanceHandle = g.Create(), ShmId = Object(g, i) }),
        Answered("config: import of an object that was not exported", ConfigError.ImportFailed, (g, i) => new() { Operation = ConfigOperation.ImportMemory, InstanceHandle = g.Create(), ShmId = Object(g, i) }),
        Answered("config: destroy of an instance twice", ConfigError.InstanceDestructionFailed, (g, i) =>
        {
            var other = g.Create();
            g.Ask(ConfigOperation.DestroyInstance, other);
            return new() { Operation = ConfigOperation.DestroyInstance, InstanceHandle = other };
        }),
        HostileCase.Ignored("config: a device count of 2^32-1", Config, a =>
        {
            var guest = a.Boot();
            var reply = guest.Ask(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices, DeviceCount = uint.MaxValue });
            if (reply.DeviceCount != 0 || reply.ShmId > Limits.MaxDevices)
            {
                throw new HarmException($"{reply.DeviceCount} devices of {reply.ShmId}.");
            }
        }),
        HostileCase.Refused("config: 8193 instances", Limit, a =>
        {
            var guest = a.Boot();
            for (var i = 0; i < 8192; i++)
            {
                guest.Create();
            }

            a.Saw = guest.Ask(Create(TestDevices.Vendor, TestDevices.Test, 1)).Error == ConfigError.InstanceCreationFailed ? Verdict.Refused : null;
        }) with { Patience = TimeSpan.FromSeconds(20) },
        HostileCase.Refused("config: 65537 objects", Limit, a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            var error = ConfigError.None;
            for (var i = 0; i <= 65536 && error == ConfigError.None; i++)
            {
                error = guest.Ask(ConfigOperation.AllocateMemory, instance, size: 4096).Error;
            }

            a.Saw = error == ConfigError.AllocationFailed ? Verdict.Refused : null;
        }) with { Patience = TimeSpan.FromSeconds(20) },
        HostileCase.Ignored("config: an object exported to 1000 holders", Limit, a =>
        {
            var guest = a.Boot();
            var owner = guest.Create();
            var id = Object(guest, owner);
            guest.Ask(ConfigOperation.ExportMemory, owner, id);
            for (var i = 0; i < 1000; i++)
            {
                guest.Ask(ConfigOperation.ImportMemory, guest.Create(), id);
            }

            guest.AssertGoesOn(owner);
        }),
        HostileCase.Ignored("config: an instance made and ended 2000 times", Limit, a =>
        {
            var guest = a.Boot();
            for (var i = 0; i < 2000; i++)
            {
                guest.Ask(ConfigOperation.DestroyInstance, guest.Create());
            }
        }),
        HostileCase.Ignored("config: requests without any buffer for replies", Config, a =>
        {
            var guest = a.Boot();
            for (ushort i = 0; i < 64; i++)
            {
                guest.Requests.Describe(i, guest.Requests.Buffers, ConfigMessage.Size);
            }

            guest.Requests.Offer([.. Enumerable.Range(0, 64).Select(i => (ushort)i)]);
        }),
        HostileCase.Ignored("config: a create callback that hangs when the connection ends", "protocol: Config messages, Create", a =>
        {
            var guest = a.Boot();
            guest.OfferReply();
            guest.OfferRequest(Create(TestDevices.Vendor, TestDevices.Slow, 1));
            guest.Requests.AwaitUsed(0, "the request is taken");
            a.Shut(TestDevices.SlowCreateGate);
            a.Shut(TestDevices.SlowDestroyGate);
        }) with { Patience = TimeSpan.FromSeconds(20), FreshDaemon = true },
        HostileCase.Refused("config: a tag that is in flight", Config, a =>
        {
            var guest = a.Boot();
            a.Shut(TestDevices.SlowCreateGate);
            a.Shut(TestDevices.SlowDestroyGate);
            guest.OfferReply();
            guest.OfferRequest(Create(TestDevices.Vendor, TestDevices.Slow, 1) with { Tag = 7 });
            guest.Requests.AwaitUsed(0, "the slow request is taken");
            guest.OfferRequest(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices, Tag = 7 });
            guest.Requests.AwaitUsed(0, "the second request is taken");
            var reply = guest.TakeReply("the reply to the second request");
            a.Saw = reply is { Error: ConfigError.BadRequest, Tag: 7 } ? Verdict.Refused : throw new HarmException($"Answered with {reply.Error}, tag {reply.Tag}.");
        }) with { Patience = TimeSpan.FromSeconds(20), FreshDaemon = true },
        HostileCase.Ignored("config: 200 create callbacks that hang when the connection ends", Limit, a =>
        {
            const int Creates = 200;
            var guest = a.Boot(256);
            a.Shut(TestDevices.SlowCreateGate);
            a.Shut(TestDevices.SlowDestroyGate);
            for (var i = 0; i < Creates; i++)
            {
                var buffer = guest.Requests.Buffers + ((ulong)i * ConfigMessage.Size);
                (Create(TestDevices.Vendor, TestDevices.Slow, 1) with { Tag = (ulong)i }).Write(guest.Bytes(buffer, ConfigMessage.Size));
                guest.Requests.Describe(i, buffer, ConfigMessage.Size);
            }

            guest.Requests.Offer([.. Enumerable.Range(0, Creates).Select(i => (ushort)i)]);
            SpinWait.SpinUntil(() => guest.Requests.UsedIndex == Limits.MaxRequestsInFlight, 10_000);
            if (guest.Requests.UsedIndex > Limits.MaxRequestsInFlight)
            {
                throw new HarmException($"{guest.Requests.UsedIndex} requests were taken.");
            }
        }) with { Patience = TimeSpan.FromSeconds(20), FreshDaemon = true },
        .. Ranges.Select(each => Failed($"ping: {each.What}", (guest, instance) => RawGuest.Echo(instance) with
        {
            ShmId = Object(guest, instance), ShmOffset = each.Offset, ShmSize = each.Size,
        })),
        .. Handles.Select(handle => Failed($"ping: of instance {handle}", (guest, instance) => RawGuest.Echo(handle))),
        .. Handles.Where(id => id != 0).Select(id => Failed($"ping: about object {id}", (guest, instance) => RawGuest.Echo(instance) with { ShmId = id, ShmSize = 1 })),
        Failed("ping: about an object of another instance", (guest, instance) => RawGuest.Echo(guest.Create()) with { ShmId = Object(guest, instance), ShmSize = 1 }),
        Failed("ping: about an object that was freed", (guest, instance) =>
        {
            var id = Object(guest, instance);
            guest.Ask(ConfigOperation.FreeMemory, instance, id);
            return RawGuest.Echo(instance) with { ShmId = id, ShmSize = 1 };
        }),
        Failed("ping: of an instance that was destroyed", (guest, instance) =>
        {
            var other = guest.Create();
            guest.Ask(ConfigOperation.DestroyInstance, other);
            return RawGuest.Echo(other);
        }),
        Failed("ping: whose callback throws", (guest, instance) => RawGuest.Echo(guest.Create()) with { Metadata = TestDevices.Metadata(TestOperation.Throw) }, endsInstance: true),
        Failed("ping: with every metadata that the device does not know", (guest, instance) => RawGuest.Echo(guest.Create()) with { Metadata = ulong.MaxValue }, endsInstance: true),
        HostileCase.Ignored("ping: memory that is freed while its callback works on it", Pings, a =>
        {
            var guest = a.Boot();
            var (instance, other) = (guest.Create(), guest.Create());
            var id = Object(guest, instance);
            var gate = a.ShutGate();
            guest.OfferPings(RawGuest.Echo(instance, events: 0) with { Metadata = TestDevices.Metadata(TestOperation.Wait, gate), ShmId = id, ShmSize = 4096 });
            guest.Ask(ConfigOperation.FreeMemory, instance, id);
            var next = guest.Ask(ConfigOperation.AllocateMemory, other, size: 4096);
            if (next.Error != ConfigError.None || guest.Arena.GetSpan(next.ShmOffset, 4096).IndexOfAnyExcept((byte)0) >= 0)
            {
                throw new HarmException("The range in use was given out again.");
            }
        }),
        HostileCase.Ignored("ping: requests and payload changed by a second thread while they are read", "XSA-155: double fetch", a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            using var stop = new CancellationTokenSource();
            var memory = guest.Pings.Buffers;
            var toggle = Task.Factory.StartNew(
                () =>
                {
                    while (!stop.IsCancellationRequested)
                    {
                        guest.Bytes(memory, 8)[7] ^= 0x80;
                        guest.Bytes(memory + 16, 1)[0] ^= 0xFF;
                    }
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            try
            {
                for (var i = 0; i < 2000; i++)
                {
                    var answer = guest.Ping(RawGuest.Echo(instance));
                    if (answer != 7 && answer != Revents.Refused)
                    {
                        throw new HarmException($"A ping that changed was answered {answer:x}.");
                    }
                }
            }
            finally
            {
                stop.Cancel();
                toggle.Wait();
            }
        }),
        HostileCase.Ignored("ping: 300 callbacks that hang when the connection ends", Limit, a =>
        {
            var guest = a.Boot(512);
            var gate = a.ShutGate();
            var instances = Enumerable.Range(0, 300).Select(_ => guest.Create()).ToArray();
            guest.OfferPings([.. instances.Select(i => RawGuest.Echo(i, events: 0) with { Metadata = TestDevices.Metadata(TestOperation.Wait, gate) })]);
            SpinWait.SpinUntil(() => a.Daemon.Threads > 200, 10_000);
        }) with { Patience = TimeSpan.FromSeconds(30) },
        HostileCase.Ignored("ping: own events without a buffer, 100000 times", "protocol: Event messages", a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            guest.Ping(RawGuest.Echo(instance) with { Metadata = TestDevices.Metadata(TestOperation.RaiseEvents, 100_000) });
            guest.OfferPings(RawGuest.Echo(instance, events: 0) with { Metadata = TestDevices.Metadata(TestOperation.JoinEvents) });
            guest.Pings.AwaitUsed(0, "all events were sent or dropped");
        }),
        HostileCase.Ignored("ping: answers that nobody takes, from 64 instances", "protocol: Event messages", a =>
        {
            var guest = a.Boot(512);
            var instances = Enumerable.Range(0, 64).Select(_ => guest.Create()).ToArray();
            for (var round = 0; round < 4; round++)
            {
                guest.OfferPings([.. Enumerable.Range(0, 256).Select(i => RawGuest.Echo(instances[i % 64]))]);
                guest.Pings.AwaitUsed(255, "pings whose answers wait come back");
            }
        }),
    ];

    private static ulong Object(RawGuest guest, ulong instance) => guest.Ask(ConfigOperation.AllocateMemory, instance, size: 4096).ShmId;

    private static ConfigMessage Create(uint vendor, uint device, uint version)
    {
        var request = new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = 1 };
        request.FirstDevice = new DeviceIdentity(vendor, device, version);
        return request;
    }

    /// <summary>A request that must be answered with an error, after which everything goes on.</summary>
    private static HostileCase Answered(string name, ConfigError error, Func<RawGuest, ulong, ConfigMessage> make) => HostileCase.Refused(name, Config, a =>
    {
        var guest = a.Boot();
        var instance = guest.Create();
        var reply = guest.Ask(make(guest, instance));
        if (reply.Error != error)
        {
            throw new HarmException($"Answered with {reply.Error}, not {error}.");
        }

        guest.AssertGoesOn(instance);
        a.Saw = Verdict.Refused;
    });

    /// <summary>A ping that must be answered as failed, after which everything goes on.</summary>
    private static HostileCase Failed(string name, Func<RawGuest, ulong, PingMessage> make, bool endsInstance = false) => HostileCase.Refused(name, Pings, a =>
    {
        var guest = a.Boot();
        var instance = guest.Create();
        var answer = guest.Ping(make(guest, instance));
        if (answer != (endsInstance ? Revents.Failed : Revents.Refused))
        {
            throw new HarmException($"Answered with {answer:x}.");
        }

        if (endsInstance)
        {
            guest.OfferEvent();
            guest.Events.AwaitUsed(0, "the notice that the instance has ended");
        }

        guest.AssertGoesOn(instance);
        a.Saw = Verdict.Refused;
    });
}
