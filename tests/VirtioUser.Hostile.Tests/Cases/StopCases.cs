// SIGTERM while a hostile peer is at work.
using TestDevice.Dependency;
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests.Cases;

/// <summary>The daemon ends with code 0 in any case.</summary>
internal static class StopCases
{
    private static readonly (string What, Action<Attack> Load)[] Loads =
    [
        ("a connection that says nothing", a => a.Connect()),
        ("half a message", a => a.Negotiate().SendBytes(Wire.U32((uint)Request.SetFeatures, Wire.Version, 8))),
        ("a running driver", a => a.Boot()),
        ("pings that come as fast as they can", a =>
        {
            var guest = a.Boot(512);
            var instance = guest.Create();
            guest.OfferPings([.. Enumerable.Range(0, 500).Select(i => RawGuest.Echo(instance, (ulong)i))]);
        }),
        ("a callback that hangs", a =>
        {
            var guest = a.Boot();
            guest.OfferPings(RawGuest.Echo(guest.Create(), events: 0) with { Metadata = TestDevices.Metadata(TestOperation.Wait, 0xDEAD) });
            guest.Create();
        }),
        ("a create callback that hangs", a =>
        {
            var guest = a.Boot();
            guest.OfferRequest(Slow());
            guest.Requests.AwaitUsed(0, "the request is taken");
        }),
        ("call descriptors that block", a =>
        {
            var guest = a.Boot();
            var instance = guest.Create();
            foreach (var ring in guest.Rings)
            {
                RawRing.Block(ring.Call);
            }

            guest.OfferRequest(new VirtioUser.Protocol.ConfigMessage());
            guest.OfferEvent();
            guest.OfferPings(RawGuest.Echo(instance));
            SpinWait.SpinUntil(a.Daemon.IsSignalling, 5000);
        }),
        ("2000 instances with objects", a =>
        {
            var guest = a.Boot();
            for (var i = 0; i < 2000; i++)
            {
                guest.Ask(VirtioUser.Protocol.ConfigOperation.AllocateMemory, guest.Create(), size: 4096);
            }
        }),
        ("a long queue of connections", a =>
        {
            for (var i = 0; i < 2; i++)
            {
                a.Connect();
            }
        }),
        ("an event ring of 32768 chains of 32768 descriptors", a => NextPeerCases.LongChains(a, VirtioUser.Protocol.Limits.EventQueue)),
        ("a reply ring of 32768 chains of 32768 descriptors", a => NextPeerCases.LongChains(a, VirtioUser.Protocol.Limits.ConfigRxQueue)),
        ("broken rings", a =>
        {
            var guest = a.Boot();
            guest.Bytes(RawGuest.FirstAddress, 4 << 20).Fill(0xFF);
            foreach (var ring in guest.Rings)
            {
                ring.Kick.Signal();
            }
        }),
    ];

    public static IEnumerable<HostileCase> All => Loads.Select(load => HostileCase.Ended($"SIGTERM under load: {load.What}", "vhost-user: Back-end program conventions", a =>
    {
        load.Load(a);
        a.Daemon.Terminate();
        if (!a.Daemon.AwaitExit(TimeSpan.FromSeconds(20)))
        {
            throw new WedgedException("The daemon does not end.");
        }

        a.Saw = a.Daemon.ExitCode == 0 ? Verdict.ConnectionEnded : Verdict.Crashed;
    }) with
    { EndsDaemon = true });

    private static VirtioUser.Protocol.ConfigMessage Slow()
    {
        var request = new VirtioUser.Protocol.ConfigMessage { Operation = VirtioUser.Protocol.ConfigOperation.CreateInstance, DeviceCount = 1 };
        request.FirstDevice = new(TestDevices.Vendor, TestDevices.Slow, 1);
        return request;
    }
}
