// Descriptors that come with the out-of-band byte of a socket, which ordinary reading passes by.
using Virtio.Linux;
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests.Cases;

/// <summary>The attacker is gone when the next peer comes; only the peer of what lingers stays until the case is judged.</summary>
internal static class OutOfBandCases
{
    private const string Trust = "threat-model: Line 3";

    private static readonly bool[] OffAndOn = [false, true];

    public static IEnumerable<HostileCase> All => Leaving.Select(each => each with { StaysConnected = true });

    private static IEnumerable<HostileCase> Leaving =>
    [
        HostileCase.Ignored("out of band: a TCP socket that lingers, on the connection that is served", Trust, a =>
        {
            var connection = a.Connect();
            SendLingering(a, connection.Descriptor);
            connection.Tell(Request.GetFeatures, []);
            connection.Dispose();
        }),
        HostileCase.Ignored("out of band: a TCP socket that lingers, in the middle of a message", Trust, a =>
        {
            var connection = a.Negotiate();
            connection.SendBytes(Wire.U32((uint)Request.SetFeatures, Wire.Version));
            SendLingering(a, connection.Descriptor);
            connection.SendBytes([.. Wire.U32(8), .. Wire.U64(Wire.Sound)]);
            connection.Dispose();
        }),
        HostileCase.Ignored("out of band: a TCP socket that lingers, on a connection that waits", Trust, a =>
        {
            var guest = a.Boot();
            var waiting = a.Connect();
            SendLingering(a, waiting.Descriptor);
            waiting.Dispose();
            guest.AssertGoesOn(guest.Create());
            guest.Dispose();
        }).WithOnePlace(),
        HostileCase.Ignored("out of band: a TCP socket that lingers, on a connection that waits and is served then", Trust, a =>
        {
            var guest = a.Boot();
            var waiting = a.Connect();
            SendLingering(a, waiting.Descriptor);
            guest.Dispose();
            waiting.Tell(Request.GetFeatures, []);
            waiting.Dispose();
        }).WithOnePlace(),
        HostileCase.Ignored("out of band: a TCP socket that lingers, on the back-end channel before a driver", Trust, a =>
        {
            var connection = a.Negotiate();
            var (mine, theirs) = UnixSocket.Pair();
            using (mine)
            using (theirs)
            {
                connection.Must(Request.SetBackEndReqFd, [], theirs.Descriptor);
                SendLingering(a, mine.Descriptor);
            }

            connection.Dispose();
        }),
        HostileCase.Ignored("out of band: a TCP socket that lingers, on the back-end channel of a driver", Trust, a =>
        {
            var guest = a.Boot();
            SendLingering(a, guest.Channel);
            guest.Dispose();
        }),
        HostileCase.Ignored("out of band: the connection's own end, in itself", Trust, a =>
        {
            var connection = a.Negotiate();
            NativeMethods.SendDescriptors(connection.Descriptor, true, connection.Descriptor);
            connection.Dispose();
        }),
        HostileCase.Ignored("out of band: the connection's own end, on the back-end channel of a driver", Trust, a =>
        {
            var guest = a.Boot();
            NativeMethods.SendDescriptors(guest.Channel, true, guest.Connection.Descriptor, guest.Channel);
            guest.Dispose();
        }),
        .. OffAndOn.SelectMany(before => OffAndOn.Select(after => HostileCase.Ignored(
            "out of band: the ends of a driver's connection and of one that waits, on that one" + Around(before, after), Trust, a =>
            {
                var guest = a.Boot();
                var waiting = a.Connect();
                SendAround(waiting, before, after, guest.Connection.Descriptor, waiting.Descriptor);
                waiting.Dispose();
                guest.Dispose();
            }))),
        .. OffAndOn.Select(before => HostileCase.Ignored(
            "out of band: each of 16 that wait holds its own end" + Around(before, false), Trust, a =>
            {
                var served = a.Connect();
                var waiting = Enumerable.Range(0, 16).Select(_ => a.Connect()).ToArray();
                foreach (var each in waiting)
                {
                    SendAround(each, before, false, each.Descriptor);
                }

                foreach (var each in waiting)
                {
                    each.Dispose();
                }

                served.Dispose();
            })),
    ];

    private static string Around(bool before, bool after) => (before, after) switch
    {
        (false, false) => "",
        (true, false) => ", behind an ordinary byte",
        (false, true) => ", before an ordinary byte",
        (true, true) => ", between ordinary bytes",
    };

    private static void SendAround(Connection connection, bool before, bool after, params FileDescriptor[] descriptors)
    {
        if (before)
        {
            connection.SendBytes([1]);
        }

        // A daemon that has turned the connection away by now holds nothing of it.
        try
        {
            NativeMethods.SendDescriptors(connection.Descriptor, true, descriptors);
        }
        catch (InvalidOperationException) when (before)
        {
        }

        if (after)
        {
            connection.SendBytes([1]);
        }
    }

    private static void SendLingering(Attack a, FileDescriptor socket)
    {
        var lingering = a.Own(new LingeringSocket());
        NativeMethods.SendDescriptors(socket, true, lingering.Descriptor);
        lingering.Descriptor.Dispose(); // what is in flight is the last one
    }
}
