// A descriptor that is refused, and is a socket in whose receive queue lies something that takes long to close.
using System.Net.Sockets;
using Virtio.Linux;
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests.Cases;

/// <summary>Each gives the daemon the last descriptor of a TCP socket that lingers, hidden somehow.</summary>
internal static class InFlightCases
{
    private const int Stream = 1, Datagram = 2, Packets = 5;

    private static readonly (string How, Func<FileDescriptor, FileDescriptor> Hide)[] Hidden =
    [
        ("in a stream socket", lingering => Put(Stream, lingering)),
        ("out of band in a stream socket", lingering => Put(Stream, lingering, outOfBand: true)),
        ("in a datagram socket behind an empty datagram", lingering => Put(Datagram, lingering, emptyFirst: true)),
        ("in a packet socket behind an empty packet", lingering => Put(Packets, lingering, emptyFirst: true)),
        ("in a packet socket whose peer closed with something unread", lingering => Put(Packets, lingering, unread: true)),
        ("in a stream socket whose peer closed with something unread", lingering => Put(Stream, lingering, unread: true)),
        ("in a connection that a stream listener has not accepted", lingering => PutInListener(SocketType.Stream, lingering)),
        ("in a connection that a packet listener has not accepted, behind an empty packet", lingering => PutInListener(SocketType.Seqpacket, lingering)),
        ("4 sockets deep", lingering => PutDeep(4, lingering)),
        ("9 sockets deep", lingering => PutDeep(9, lingering)),
        ("12 sockets deep", lingering => PutDeep(12, lingering)),
    ];

    public static IEnumerable<HostileCase> All => Hidden.Select(each => HostileCase.Refused(
        $"a kick descriptor that is a socket with a lingering TCP socket in flight, {each.How}", "vhost-user: VHOST_USER_SET_VRING_KICK", a =>
        {
            var connection = a.Negotiate();
            var lingering = a.Own(new LingeringSocket());
            using (var hiding = each.Hide(lingering.Descriptor))
            {
                lingering.Descriptor.Dispose();
                connection.Ask(Request.SetVringKick, Wire.U64(0), hiding);
            }

            var refused = connection.LastAnswer == Answer.Refused && connection.Lives();
            connection.Dispose();
            a.Saw = refused ? Verdict.Refused : Verdict.ConnectionEnded;
        }) with
    { StaysConnected = true });

    private static FileDescriptor Put(int type, FileDescriptor inner, bool outOfBand = false, bool emptyFirst = false, bool unread = false)
    {
        var (mine, theirs) = NativeMethods.SocketPair(type);
        using (mine)
        {
            if (emptyFirst)
            {
                NativeMethods.SendPacket(mine, []);
            }

            if (unread)
            {
                NativeMethods.SendPacket(theirs, [1]);
            }

            NativeMethods.SendDescriptors(mine, outOfBand, inner);
        }

        return theirs;
    }

    private static FileDescriptor PutInListener(SocketType type, FileDescriptor inner)
    {
        var listener = new Socket(AddressFamily.Unix, type, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint($"\0hostile-{Guid.NewGuid()}"));
        listener.Listen(1);
        var client = new Socket(AddressFamily.Unix, type, ProtocolType.Unspecified);
        client.Connect(listener.LocalEndPoint!);
        using var mine = new FileDescriptor((int)client.Handle);
        client.SafeHandle.SetHandleAsInvalid(); // not disposed: that would wait for the handle
        if (type == SocketType.Seqpacket)
        {
            NativeMethods.SendPacket(mine, []);
        }

        NativeMethods.SendDescriptors(mine, false, inner);
        var descriptor = new FileDescriptor((int)listener.Handle);
        listener.SafeHandle.SetHandleAsInvalid();
        return descriptor;
    }

    private static FileDescriptor PutDeep(int depth, FileDescriptor innermost)
    {
        var outer = Put(Stream, innermost);
        for (var i = 1; i < depth; i++)
        {
            using var inner = outer;
            outer = Put(Stream, inner);
        }

        return outer;
    }
}
