// Connections that keep the daemon: their own end held by itself, halves of messages, idle ones.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests.Cases;

/// <summary>Each waits for a bound of the daemon's, ten seconds or so, and so has a daemon of its own beside the others.</summary>
internal static class OwnEndCases
{
    private const string Trust = "threat-model: Line 3", Header = "vhost-user: Message Specification, Header", Channel = "vhost-user: Back-end communication";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static IEnumerable<HostileCase> All => new[]
    {
        HostileCase.Ignored("own end of the connection: as a descriptor of half a message", Trust, a =>
        {
            var connection = a.Connect();
            connection.SendBytes(Wire.U32((uint)Request.SetFeatures, Wire.Version, 8), connection.Descriptor);
            connection.Dispose();
        }),
        HostileCase.Refused("own end of the connection: as the back-end channel", Trust, a =>
        {
            var connection = a.Negotiate();
            GiveOwnEnd(a, connection);
        }),
        HostileCase.Ended("own end of the connection: in flight in the receive queue of the back-end channel", Trust, a =>
        {
            var connection = a.Negotiate();
            var (mine, theirs) = UnixSocket.Pair();
            using (mine)
            using (theirs)
            {
                mine.Send([1], [connection.Descriptor]);
                connection.Ask(Request.SetBackEndReqFd, [], theirs.Descriptor);
            }

            AwaitEnd(a, connection);
        }),
        HostileCase.Ended("own end of the connection: in flight in a socket that is in flight itself", Trust, a =>
        {
            var connection = a.Negotiate();
            var (mine, theirs) = UnixSocket.Pair();
            var (inner, outer) = UnixSocket.Pair();
            using (mine)
            using (theirs)
            using (inner)
            using (outer)
            {
                inner.Send([1], [connection.Descriptor]);
                mine.Send([1], [outer.Descriptor]);
                connection.Ask(Request.SetBackEndReqFd, [], theirs.Descriptor);
            }

            AwaitEnd(a, connection);
        }),
        HostileCase.Refused("own end of the connection: as the back-end channel with a driver that has stopped", Trust, a =>
        {
            var guest = a.Boot();
            foreach (var ring in guest.Rings)
            {
                guest.Connection.Question(Request.GetVringBase, Wire.U32((uint)ring.Index, 0));
            }

            GiveOwnEnd(a, guest.Connection);
        }),
        HostileCase.Ended("half a header, and nothing more", Header, a =>
        {
            var connection = a.Connect();
            connection.SendBytes([1, 0, 0, 0, 1, 0]);
            connection.AwaitEnd();
            a.Saw = Verdict.ConnectionEnded;
        }),
        HostileCase.Ended("a header without its payload", Header, a =>
        {
            var connection = a.Negotiate();
            connection.SendBytes(Wire.U32((uint)Request.SetFeatures, Wire.Version, 8));
            connection.AwaitEnd();
            a.Saw = Verdict.ConnectionEnded;
        }),
        HostileCase.Ended("a memory table without its last byte, with its descriptors", Header, a =>
        {
            var connection = a.Negotiate();
            var table = Wire.Table(new Region(0x10_0000, 4096, 0x1000_0000));
            connection.SendBytes([.. Wire.U32((uint)Request.SetMemTable, Wire.Version, (uint)table.Length), .. table[..^1]], a.SealedMemory());
            connection.AwaitEnd();
            a.Saw = Verdict.ConnectionEnded;
        }),
        HostileCase.Ended("a message that comes at a byte a second", Header, a =>
        {
            var connection = a.Negotiate();
            connection.SendBytes(Wire.U32((uint)Request.GetConfig, Wire.Version, 256));
            for (var i = 0; i < 30 && connection.SendBytes([0]); i++)
            {
                Thread.Sleep(1000); // this is what the attacker does
            }

            connection.AwaitEnd();
            a.Saw = Verdict.ConnectionEnded;
        }),
        (HostileCase.Ignored("a connection that says nothing stays while another waits", Trust, a =>
        {
            a.Connect();
            a.Saw = Verdict.Ignored;
        }) with { StaysConnected = true }).WithOnePlace(),
        (HostileCase.Ignored("a connection that is negotiated and never starts a driver stays while another waits", Trust, a =>
        {
            a.Negotiate();
            a.Saw = Verdict.Ignored;
        }) with { StaysConnected = true }).WithOnePlace(),
        (HostileCase.Ignored("a connection whose driver has stopped stays while another waits", Trust, a =>
        {
            var guest = a.Boot();
            foreach (var ring in guest.Rings)
            {
                guest.Connection.Question(Request.GetVringBase, Wire.U32((uint)ring.Index, 0));
            }

            a.Saw = Verdict.Ignored;
        }) with { StaysConnected = true }).WithOnePlace(),
        (HostileCase.Ignored("a connection that asks for features all the time and never starts a driver, while another waits", Trust, a =>
        {
            var connection = a.Negotiate();
            a.Own(new Asker(connection));
            a.Saw = Verdict.Ignored;
        }) with { StaysConnected = true }).WithOnePlace(),
        HostileCase.Ignored("140 connections that say nothing stay while another waits", Trust, a =>
        {
            for (var i = 0; i < 140; i++) // more than places, fewer than places and those who can wait
            {
                a.Connect();
            }

            a.Saw = Verdict.Ignored;
        }) with { StaysConnected = true },
        HostileCase.Ignored("a guest whose 64 callbacks hang and whose call descriptors block stays while others come", "threat-model: Line 2", a =>
        {
            var gate = a.ShutGate();
            var guest = a.Boot(256);
            var instances = Enumerable.Range(0, 64).Select(_ => guest.Create()).ToArray();
            guest.OfferPings([.. instances.Select(each => RawGuest.Echo(each) with { Metadata = TestDevices.Metadata(TestOperation.Wait, gate) })]);
            var last = guest.Create();
            foreach (var ring in guest.Rings)
            {
                RawRing.Block(ring.Call);
            }

            guest.OfferRequest(new VirtioUser.Protocol.ConfigMessage());
            guest.OfferEvent();
            guest.OfferPings(RawGuest.Echo(last));
            SpinWait.SpinUntil(a.Daemon.IsSignalling, 5000);
            for (var i = 0; i < 5; i++)
            {
                using var beside = a.Honest();
                beside.Call(beside.Create(), TestOperation.Echo, 5);
            }

            a.Saw = Verdict.Ignored;
        }) with { StaysConnected = true },
        HostileCase.Refused("the ends of two connections as each other's back-end channel", Trust, a =>
        {
            var (first, second) = (a.Negotiate(), a.Negotiate());
            var refused = first.Ask(Request.SetBackEndReqFd, [], second.Descriptor) == Answer.Refused
                & second.Ask(Request.SetBackEndReqFd, [], first.Descriptor) == Answer.Refused;
            first.Dispose();
            second.Dispose();
            a.Saw = refused ? Verdict.Refused : Verdict.Ignored;
        }),
        HostileCase.Ignored("the ends of 100 connections, each as a descriptor of half a message on the next", Header, a =>
        {
            var connections = Enumerable.Range(0, 100).Select(_ => a.Connect()).ToArray();
            for (var i = 0; i < connections.Length; i++)
            {
                connections[(i + 1) % connections.Length].SendBytes(Wire.U32((uint)Request.SetFeatures, Wire.Version, 8), connections[i].Descriptor);
            }

            Array.ForEach(connections, connection => connection.Dispose());
        }),
        HostileCase.Ignored("the ends of two connections in flight in each other's back-end channels", Channel, a =>
        {
            var connections = new[] { a.Negotiate(), a.Negotiate() };
            for (var i = 0; i < 2; i++)
            {
                var (mine, theirs) = UnixSocket.Pair();
                using (mine)
                using (theirs)
                {
                    mine.Send([1], [connections[1 - i].Descriptor]);
                    connections[i].Tell(Request.SetBackEndReqFd, [], theirs.Descriptor);
                }
            }

            Array.ForEach(connections, connection => connection.Dispose());
        }),
        HostileCase.Ignored("answers that are never read, until the socket is full", Header, a =>
        {
            var connection = a.Negotiate();
            var stop = DateTime.UtcNow.AddSeconds(2);
            using var gone = new CancellationTokenSource();
            var flood = Task.Run(() =>
            {
                try
                {
                    while (connection.Tell(Request.GetShmemConfig, []) && DateTime.UtcNow < stop)
                    {
                    }
                }
                catch (WedgedException)
                {
                    // The daemon waits for us to read: that is what is wanted here.
                }
                catch (ObjectDisposedException)
                {
                    // Closed below.
                }
            });
            flood.Wait(TimeSpan.FromSeconds(3));
            connection.Dispose();
            flood.Wait(TimeSpan.FromSeconds(20));
        }),
        HostileCase.Ignored("a back-end channel that never answers", Channel, a =>
        {
            var connection = a.Negotiate();
            var (mine, theirs) = UnixSocket.Pair();
            a.Own(mine);
            using (theirs)
            {
                connection.Must(Request.SetBackEndReqFd, [], theirs.Descriptor);
            }

            var guest = a.Own(new RawGuest(connection, 64, Wire.Sound, arena: false, split: false, first: 0));
            guest.Start();
            guest.AssertGoesOn(guest.Create());
        }),
    }.Select(each => each with { Patience = Patience });

    /// <summary>The daemon ends it, while somebody else still has an end of it.</summary>
    private static void AwaitEnd(Attack a, Connection connection)
    {
        connection.AwaitEnd();
        a.Saw = Verdict.ConnectionEnded;
    }

    /// <summary>The attacker is gone afterwards, whatever the daemon said.</summary>
    private static void GiveOwnEnd(Attack a, Connection connection)
    {
        a.Saw = connection.Ask(Request.SetBackEndReqFd, [], connection.Descriptor) == Answer.Refused ? Verdict.Refused : Verdict.Ignored;
        connection.Dispose();
    }

    /// <summary>Keeps a connection busy.</summary>
    private sealed class Asker : IDisposable
    {
        private readonly Thread _thread;
        private volatile bool _stop;

        public Asker(Connection connection)
        {
            _thread = new Thread(() =>
            {
                while (!_stop && connection.Question(Request.GetQueueNum) is not null)
                {
                    Thread.Sleep(20); // this is what the attacker does
                }
            })
            {
                IsBackground = true,
            };
            _thread.Start();
        }

        public void Dispose()
        {
            _stop = true;
            _thread.Join();
        }
    }
}
