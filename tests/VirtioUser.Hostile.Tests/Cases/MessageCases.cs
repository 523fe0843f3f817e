// Messages that nobody should send: unknown ones, wrong sizes, wrong headers.
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class MessageCases
{
    private const string Header = "vhost-user: Message Specification, Header", Types = "vhost-user: Front-end message types";

    private static readonly uint[] Unknown =
        [0, 6, 7, 19, 20, 22, 23, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 45, 255, 65536, 0x8000_0000, uint.MaxValue];

    // Commands with a payload of one size, and a sound payload.
    private static readonly (Request Request, byte[] Payload)[] Commands =
    [
        (Request.SetFeatures, Wire.U64(Wire.Sound)),
        (Request.SetProtocolFeatures, Wire.U64(Wire.ReplyAck)),
        (Request.SetVringNum, Wire.U32(0, 64)),
        (Request.SetVringBase, Wire.U32(0, 0)),
        (Request.SetVringAddr, Wire.Address(0, RawGuest.FirstUserAddress, RawGuest.FirstUserAddress, RawGuest.FirstUserAddress)),
        (Request.SetVringKick, Wire.U64(0x100)),
        (Request.SetVringCall, Wire.U64(0x100)),
        (Request.SetVringErr, Wire.U64(0x100)),
        (Request.SetVringEnable, Wire.U32(0, 0)),
    ];

    private static readonly (string What, uint Flags, uint Size)[] Headers =
    [
        ("version 0", 0, 0), ("version 2", 2, 0), ("version 3", 3, 0), ("a reply that nobody asked for", Wire.Version | Wire.Reply, 0),
        ("a payload of 4097 bytes", Wire.Version, 4097), ("a payload of 2^31 bytes", Wire.Version, 0x8000_0000),
        ("a payload of 2^32-1 bytes", Wire.Version, uint.MaxValue), ("a payload of 4097 bytes that asks for an answer", Wire.Version | Wire.NeedReply, 4097),
    ];

    public static IEnumerable<HostileCase> All =>
    [
        .. Unknown.Select(number => HostileCase.Refused(
            $"message {number}, unknown, asks for an answer", Types, a => a.Negotiate().Ask((Request)number, []))),
        .. new uint[] { 0, 6, 22, 31, 45, uint.MaxValue }.Select(number => HostileCase.Ended(
            $"message {number}, unknown, asks for no answer", Types, a => a.Negotiate().Tell((Request)number, []))),
        .. Commands.SelectMany(each => new[]
        {
            HostileCase.Refused($"{each.Request}: a byte too few", Types, a => a.Negotiate().Ask(each.Request, each.Payload[..^1])),
            HostileCase.Refused($"{each.Request}: a byte too many", Types, a => a.Negotiate().Ask(each.Request, [.. each.Payload, 0])),
            HostileCase.Refused($"{each.Request}: empty", Types, a => a.Negotiate().Ask(each.Request, [])),
        }),
        .. Headers.Select(each => HostileCase.Ended(
            $"header: {each.What}", Header, a => a.Negotiate().SendBytes(Wire.U32((uint)Request.SetOwner, each.Flags, each.Size)))),
        HostileCase.Ended("header: flags are all ones", Header, a => a.Connect().SendBytes(Wire.U32(1, uint.MaxValue, 0))),
        HostileCase.Ended("bytes of another protocol", Header, a => a.Connect().SendBytes("GET / HTTP/1.1\r\nHost: there\r\n\r\n"u8.ToArray())),
        HostileCase.Ended("4 KiB of noise", Header, a =>
        {
            var noise = new byte[4096];
            a.Random.NextBytes(noise);
            noise[4] = 0;
            a.Connect().SendBytes(noise);
        }),
        HostileCase.Ended("GET_VRING_BASE without a payload", "vhost-user: VHOST_USER_GET_VRING_BASE", a => a.Negotiate().Tell(Request.GetVringBase, [])),
        HostileCase.Ended("GET_VRING_BASE of ring 4", "vhost-user: VHOST_USER_GET_VRING_BASE", a => a.Negotiate().Tell(Request.GetVringBase, Wire.U32(4, 0))),
        HostileCase.Ended("GET_VRING_BASE of ring 2^32-1", "vhost-user: VHOST_USER_GET_VRING_BASE", a => a.Negotiate().Tell(Request.GetVringBase, Wire.U32(uint.MaxValue, 0))),
        HostileCase.Ignored("GET_VRING_BASE of rings that never ran", "vhost-user: Ring states", a =>
        {
            var connection = a.Negotiate();
            for (uint ring = 0; ring < 4; ring++)
            {
                connection.Question(Request.GetVringBase, Wire.U32(ring, 0));
            }
        }),
        HostileCase.Ended("GET_CONFIG without a header", "vhost-user: Virtio device config space", a => a.Negotiate().Tell(Request.GetConfig, [])),
        HostileCase.Ended("GET_CONFIG of 257 bytes", "vhost-user: Virtio device config space", a => a.Negotiate().Tell(Request.GetConfig, [.. Wire.U32(0, 257, 0), .. new byte[257]])),
        HostileCase.Ended("GET_CONFIG at offset 2^32-1", "vhost-user: Virtio device config space", a => a.Negotiate().Tell(Request.GetConfig, [.. Wire.U32(uint.MaxValue, 4, 0), 0, 0, 0, 0])),
        HostileCase.Ended("GET_CONFIG whose offset and size overflow", "vhost-user: Virtio device config space", a => a.Negotiate().Tell(Request.GetConfig, [.. Wire.U32(uint.MaxValue - 3, 8, 0), .. new byte[8]])),
        HostileCase.Ended("GET_CONFIG that claims more than it carries", "vhost-user: Virtio device config space", a => a.Negotiate().Tell(Request.GetConfig, Wire.U32(0, 64, 0))),
        HostileCase.Refused("SET_CONFIG of the enumeration space ID", "protocol: The virtio device", a => a.Negotiate().Ask(Request.SetConfig, [.. Wire.U32(0, 4, 0), 1, 2, 3, 4])),
        HostileCase.Refused("SET_CONFIG without its bytes", "vhost-user: Virtio device config space", a => a.Negotiate().Ask(Request.SetConfig, Wire.U32(0, 4, 0))),
        HostileCase.Refused("SET_CONFIG of 2^32-1 bytes", "vhost-user: Virtio device config space", a => a.Negotiate().Ask(Request.SetConfig, Wire.U32(0, uint.MaxValue, 0))),
        HostileCase.Refused("SET_FEATURES with every bit", "vhost-user: VHOST_USER_SET_FEATURES", a => a.Negotiate().Ask(Request.SetFeatures, Wire.U64(ulong.MaxValue))),
        HostileCase.Refused("SET_FEATURES with packed rings, which were not offered", "VIRTIO 1.2: 2.2.1 Feature bits", a => a.Negotiate().Ask(Request.SetFeatures, Wire.U64(Wire.Sound | (1UL << 34)))),
        HostileCase.Refused("SET_FEATURES with logging, which was not offered", "vhost-user: Migration", a => a.Negotiate().Ask(Request.SetFeatures, Wire.U64(Wire.Sound | (1UL << 26)))),
        HostileCase.Refused("SET_FEATURES changes a running device", "VIRTIO 1.2: 2.2 Feature bits", a => a.Boot().Connection.Ask(Request.SetFeatures, Wire.U64(Wire.Sound | Wire.EventIndex))),
        HostileCase.Refused("SET_PROTOCOL_FEATURES with every bit", "vhost-user: Protocol features", a => a.Negotiate().Ask(Request.SetProtocolFeatures, Wire.U64(ulong.MaxValue))),
        HostileCase.Refused("SET_PROTOCOL_FEATURES with memory slots, which were not offered", "vhost-user: Protocol features", a => a.Negotiate().Ask(Request.SetProtocolFeatures, Wire.U64(Wire.ReplyAck | (1UL << 15)))),
        HostileCase.Ignored("SET_PROTOCOL_FEATURES takes everything away from a running device", "vhost-user: Protocol features", a =>
        {
            var guest = a.Boot();
            guest.Connection.Tell(Request.SetProtocolFeatures, Wire.U64(0));
        }),
        HostileCase.Ignored("RESET_OWNER of a running device", "vhost-user: VHOST_USER_RESET_OWNER", a => a.Boot().Connection.Tell(Request.ResetOwner, [])),
        HostileCase.Ignored("SET_OWNER a thousand times", "vhost-user: VHOST_USER_SET_OWNER", a =>
        {
            var connection = a.Negotiate();
            for (var i = 0; i < 1000; i++)
            {
                connection.Must(Request.SetOwner, []);
            }
        }),
        HostileCase.Ignored("questions with a payload that they do not have", Types, a =>
        {
            var connection = a.Negotiate();
            foreach (var request in new[] { Request.GetFeatures, Request.GetProtocolFeatures, Request.GetQueueNum, Request.GetShmemConfig })
            {
                connection.Question(request, new byte[64]);
            }
        }),
        HostileCase.Ignored("a hundred questions whose answers are read late", "vhost-user: Communication", a =>
        {
            var connection = a.Negotiate();
            for (var i = 0; i < 100; i++)
            {
                connection.Tell(Request.GetQueueNum, []);
            }
        }),
        HostileCase.Ignored("the connection is made and ends, 300 times", "vhost-user: Communication", a =>
        {
            for (var i = 0; i < 300; i++)
            {
                a.Connect().Dispose();
            }
        }),
        HostileCase.Ignored("the connection ends in the middle of a header", Header, a =>
        {
            var connection = a.Negotiate();
            connection.SendBytes([2, 0, 0, 0, 1]);
            connection.Dispose();
        }),
        HostileCase.Ignored("the connection ends in the middle of a payload", Header, a =>
        {
            var connection = a.Negotiate();
            connection.SendBytes(Wire.Message((uint)Request.SetFeatures, Wire.Version, 8, [1, 2, 3]));
            connection.Dispose();
        }),
        HostileCase.Ignored("a message in single bytes, one after the other", Header, a =>
        {
            var connection = a.Negotiate();
            foreach (var piece in Wire.Message((uint)Request.SetFeatures, Wire.Version, 8, Wire.U64(Wire.Sound)))
            {
                connection.SendBytes([piece]);
            }
        }),
    ];
}
