// Kick, call and error descriptors that are full, blocking, shared, or of another kind.
using Virtio.Linux;
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class SignalCases
{
    private const string Call = "vhost-user: VHOST_USER_SET_VRING_CALL", Error = "vhost-user: VHOST_USER_SET_VRING_ERR", Kick = "vhost-user: VHOST_USER_SET_VRING_KICK";

    private static readonly string[] Rings = ["request", "reply", "ping", "event"];

    public static IEnumerable<HostileCase> All =>
    [
        .. Enumerable.Range(0, 4).SelectMany(ring => new[]
        {
            HostileCase.Ignored($"{Rings[ring]} ring: the call descriptor blocks", Call, a => UseAll(a, guest => RawRing.Block(guest.Rings[ring].Call))),
            HostileCase.Ignored($"{Rings[ring]} ring: the call descriptor blocks and 8 threads refill it", Call, a =>
            {
                var call = UseAll(a, guest => RawRing.Block(guest.Rings[ring].Call)).Rings[ring].Call;
                a.Own(new Refill(call, 8));
                a.Main!.Lives();
            }),
            HostileCase.Ignored($"{Rings[ring]} ring: the call descriptor is full", Call, a => UseAll(a, guest => RawRing.Fill(guest.Rings[ring].Call))),
            HostileCase.Ignored($"{Rings[ring]} ring: the call descriptor blocks, and the ring is stopped", Call, a =>
            {
                var guest = UseAll(a, guest => RawRing.Block(guest.Rings[ring].Call));
                guest.Connection.Question(Request.GetVringBase, Wire.U32((uint)ring, 0));
            }),
            HostileCase.Ignored($"{Rings[ring]} ring: the call descriptor blocks, and memory is taken away", Call, a =>
            {
                var guest = UseAll(a, guest => RawRing.Block(guest.Rings[ring].Call));
                guest.Connection.Must(Request.SetMemTable, Wire.Table());
            }),
            HostileCase.Ignored($"{Rings[ring]} ring: the call descriptor blocks, and is replaced", Call, a =>
            {
                var guest = UseAll(a, guest => RawRing.Block(guest.Rings[ring].Call));
                guest.Connection.Must(Request.SetVringCall, Wire.U64((uint)ring), a.EventFd().Descriptor);
            }),
            HostileCase.Ignored($"{Rings[ring]} ring: the error descriptor blocks, and the ring is broken", Error, a =>
            {
                var guest = a.Boot();
                var instance = guest.Create();
                RawRing.Block(guest.Rings[ring].Error);
                guest.Rings[ring].AvailableIndex += 0x4000;
                guest.OfferReply();
                guest.OfferRequest(new ConfigMessage());
                guest.OfferPings(RawGuest.Echo(instance));
                SpinWait.SpinUntil(a.Daemon.IsSignalling, 2000);
            }),
            HostileCase.Ignored($"{Rings[ring]} ring: disabled, its call descriptor blocked, enabled again", Call, a => BlockedStart(a, ring)),
            HostileCase.Ignored($"{Rings[ring]} ring: the kick descriptor is an eventfd of the semaphore kind at its limit", Kick, a =>
            {
                var guest = a.Boot();
                var semaphore = a.Own(NativeMethods.SemaphoreEventFd());
                NativeMethods.Write(semaphore, BitConverter.GetBytes(ulong.MaxValue - 1));
                guest.Connection.Must(Request.SetVringKick, Wire.U64((uint)ring), semaphore);
            }),
            HostileCase.Ignored($"{Rings[ring]} ring: the kick descriptor is made blocking", Kick, a =>
            {
                var guest = a.Boot();
                guest.Rings[ring].Kick.Descriptor.SetNonBlocking(false);
                guest.Rings[ring].Kick.Signal();
                guest.AssertGoesOn(guest.Create());
            }),
        }),
        HostileCase.Ignored("one eventfd as kick, call and error of all rings", Kick, a =>
        {
            var guest = a.Boot();
            var one = a.EventFd();
            for (uint ring = 0; ring < 4; ring++)
            {
                guest.Connection.Must(Request.SetVringCall, Wire.U64(ring), one.Descriptor);
                guest.Connection.Must(Request.SetVringErr, Wire.U64(ring), one.Descriptor);
                guest.Connection.Must(Request.SetVringKick, Wire.U64(ring), one.Descriptor);
            }

            one.Signal();
        }),
        HostileCase.Ignored("one eventfd of the semaphore kind at its limit as call and kick of all rings", Kick, a =>
        {
            var guest = a.Boot();
            var semaphore = a.Own(NativeMethods.SemaphoreEventFd());
            NativeMethods.Write(semaphore, BitConverter.GetBytes(ulong.MaxValue - 1));
            for (uint ring = 0; ring < 4; ring++)
            {
                guest.Connection.Must(Request.SetVringCall, Wire.U64(ring), semaphore);
                guest.Connection.Must(Request.SetVringKick, Wire.U64(ring), semaphore);
            }
        }),
        HostileCase.Ignored("the ping ring is disabled while a worker is held by the event ring's call descriptor", Call, DisabledWhileHeld),
        HostileCase.Ignored("the ping ring loses its memory while a worker is held by the event ring's call descriptor", Call, a => WhileHeld(a, guest =>
            guest.Connection.Tell(Request.SetMemTable, Wire.Table()))),
        HostileCase.Ignored("the ping ring's kick is replaced while a worker is held by the event ring's call descriptor", Call, a => WhileHeld(a, guest =>
            guest.Connection.Tell(Request.SetVringKick, Wire.U64(2), guest.Pings.Kick.Descriptor))),
        HostileCase.Ignored("call descriptors of all rings block, and answers wait in the hundreds", Call, a =>
        {
            var guest = a.Boot(512);
            var instance = guest.Create();
            foreach (var ring in guest.Rings)
            {
                RawRing.Block(ring.Call);
            }

            guest.OfferPings([.. Enumerable.Range(0, 400).Select(i => RawGuest.Echo(instance, (ulong)i))]);
            SpinWait.SpinUntil(a.Daemon.IsSignalling, 5000);
        }),
    ];

    /// <summary>Uses every ring after something was done to a descriptor, so that the daemon comes to signal it.</summary>
    private static RawGuest UseAll(Attack a, Action<RawGuest> prepare)
    {
        var guest = a.Boot();
        var instance = guest.Create();
        prepare(guest);
        guest.OfferReply();
        guest.OfferRequest(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices });
        guest.OfferEvent();
        guest.OfferPings(RawGuest.Echo(instance));
        SpinWait.SpinUntil(a.Daemon.IsSignalling, 500);
        return guest;
    }

    /// <summary>The connection's own thread must not be the one that is held when a ring starts with something to say.</summary>
    private static void BlockedStart(Attack a, int ring)
    {
        var guest = a.Boot();
        var instance = guest.Create();
        guest.Connection.Must(Request.SetVringEnable, Wire.U32((uint)ring, 0));
        guest.OfferReply();
        guest.OfferEvent();
        guest.OfferRequest(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices });
        guest.OfferPings(RawGuest.Echo(instance), RawGuest.Echo(instance));
        RawRing.Block(guest.Rings[ring].Call);
        guest.Connection.Must(Request.SetVringEnable, Wire.U32((uint)ring, 1));
        guest.Connection.Must(Request.SetMemTable, Wire.Table(guest.Regions), guest.Memory);
        guest.Connection.LivesOrWedged();
    }

    private static void DisabledWhileHeld(Attack a) => WhileHeld(a, guest =>
        guest.Connection.Tell(Request.SetVringEnable, Wire.U32(2, 0)));

    /// <summary>
    /// Two pings with one kick, the first with an answer: its call is what the
    /// worker is stuck in when the ring is taken away.
    /// </summary>
    private static void WhileHeld(Attack a, Action<RawGuest> takeAway)
    {
        var guest = a.Boot();
        var instance = guest.Create();
        for (var round = 0; round < 20; round++)
        {
            RawRing.Block(guest.Events.Call);
            guest.OfferEvent();
            guest.OfferPings(RawGuest.Echo(instance), RawGuest.Echo(instance, events: 0));
            SpinWait.SpinUntil(a.Daemon.IsSignalling, 500);
            takeAway(guest);
            guest.Connection.LivesOrWedged();
            guest.Events.Call.TryConsume();
            guest.Connection.LivesOrWedged();
            guest.TellMemory(withArena: true);
            guest.Connection.Tell(Request.SetVringEnable, Wire.U32(2, 1));
            guest.Connection.LivesOrWedged();
        }
    }

    /// <summary>Threads that bring an eventfd to its limit again and again.</summary>
    private sealed class Refill : IDisposable
    {
        private readonly EventFd _call;
        private readonly Thread[] _threads;
        private volatile bool _stop;

        public Refill(EventFd call, int threads)
        {
            _call = call;
            _threads = [.. Enumerable.Range(0, threads).Select(_ => new Thread(Run) { IsBackground = true })];
            foreach (var thread in _threads)
            {
                thread.Start();
            }
        }

        public void Dispose()
        {
            _stop = true;
            foreach (var thread in _threads)
            {
                // It may wait for room itself: another one has made the descriptor blocking.
                while (!thread.Join(1))
                {
                    _call.TryConsume();
                }
            }
        }

        private void Run()
        {
            while (!_stop)
            {
                NativeMethods.FillAndBlock(_call.Descriptor);
                Thread.Sleep(1); // not more than the daemon's share of two processors
            }
        }
    }
}
