// The classes of past advisories about virtio and vhost-user, each by its name, in this project's rings and messages.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Hostile.Tests.Rig;
using VirtioUser.Protocol;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class AdvisoryCases
{
    private const ulong Middle = RawGuest.FirstAddress + (RawGuest.Length / 2), Mebibyte = 1 << 20;

    // Each is a ring that exists once it is cut to 16 bits, or to 8.
    private static readonly uint[] CutIndexes = [0x1_0000, 0x1_0001, 0xFFFF_0000, 0x100];

    public static IEnumerable<HostileCase> All =>
    [
        // DPDK: a guest-physical range was translated by its first byte, and not checked to be contiguous.
        HostileCase.Refused("CVE-2018-1059: a request that goes on in another region", "VIRTIO 1.2: 2.7.5", a =>
            ChainCases.Try(a, a.Boot(split: true), 0, r => r.Describe(1, Middle - 16, ConfigMessage.Size))),
        HostileCase.Ignored("CVE-2018-1059: an event buffer that goes on in another region", "VIRTIO 1.2: 2.7.5", a =>
            ChainCases.Try(a, a.Boot(split: true), 3, r => r.Describe(1, Middle - 4, EventMessage.Size, RawRing.Write))),
        HostileCase.Refused("CVE-2018-1059: an indirect table that goes on in another region", "VIRTIO 1.2: 2.7.5.3", a =>
            ChainCases.Try(a, a.Boot(features: Wire.Sound | Wire.Indirect, split: true), 0, r => r.Describe(1, Middle - 16, 32, RawRing.Indirect))),
        HostileCase.Refused("CVE-2018-1059: a used ring that goes on in another region", "VIRTIO 1.2: 2.7", a =>
        {
            var guest = a.Prepare(arena: false, split: true);
            guest.TellMemory(withArena: false);
            guest.Tell(guest.Requests);
            guest.Connection.Ask(Request.SetVringAddr, Wire.Address(0, RawGuest.User(guest.Requests.Table), RawGuest.User(Middle - 8), RawGuest.User(guest.Requests.Available)));
            guest.Connection.Ask(Request.SetVringEnable, Wire.U32(0, 1));
        }),

        // Firecracker's vsock: a buffer shorter than what is put there.
        HostileCase.Ignored("CVE-2019-18960: an event buffer of 11 bytes", "VIRTIO 1.2: 2.7.4", a => Short(a, 3, EventMessage.Size - 1)),
        HostileCase.Ignored("CVE-2019-18960: an event buffer of 1 byte", "VIRTIO 1.2: 2.7.4", a => Short(a, 3, 1)),
        HostileCase.Ignored("CVE-2019-18960: a reply buffer of 511 bytes", "VIRTIO 1.2: 2.7.4", a => Short(a, 1, ConfigMessage.Size - 1)),
        HostileCase.Refused("CVE-2019-18960: a request of 4 bytes", "protocol: Config messages", a =>
            ChainCases.Try(a, a.Boot(), 0, r => r.Describe(1, r.Buffers, 4))),

        // DPDK: SET_LOG_BASE added size and offset without a look at overflow.
        HostileCase.Refused("CVE-2020-10722: a log whose size and offset overflow", "vhost-user: VHOST_USER_SET_LOG_BASE", a =>
            a.Negotiate().Ask((Request)6, Wire.U64(ulong.MaxValue - 4095, 8192), a.SealedMemory())),
        HostileCase.Refused("CVE-2020-10722: a region whose size and offset overflow", "vhost-user: Memory regions description", a =>
            a.Negotiate().Ask(Request.SetMemTable, Wire.Table(new Region(0x10_0000, 8192, 0x1000_0000, ulong.MaxValue - 4095)), a.SealedMemory())),

        // DPDK: a ring's index was cut to 16 bits after it was checked.
        .. CutIndexes.SelectMany(index => new[]
        {
            HostileCase.Refused($"CVE-2020-10723: SET_VRING_NUM of ring 0x{index:x}", "vhost-user: A vring state description", a => a.Negotiate().Ask(Request.SetVringNum, Wire.U32(index, 64))),
            HostileCase.Refused($"CVE-2020-10723: SET_VRING_KICK of ring 0x{index:x}", "vhost-user: VHOST_USER_SET_VRING_KICK", a => a.Negotiate().Ask(Request.SetVringKick, Wire.U64(index), a.EventFd().Descriptor)),
        }),
        HostileCase.Refused("CVE-2020-10723: a ring of 65600 descriptors, which is 64 in 16 bits", "VIRTIO 1.2: 2.7", a => a.Negotiate().Ask(Request.SetVringNum, Wire.U32(0, 65600))),

        // DPDK's vhost-crypto: lengths of a session were taken as they came.
        HostileCase.Refused("CVE-2020-10724: a crypto session of 2^32-1 bytes of key", "vhost-user: VHOST_USER_CREATE_CRYPTO_SESSION", a =>
        {
            var session = new byte[1024];
            session.AsSpan().Fill(0xFF);
            a.Negotiate().Ask((Request)26, session);
        }),
        HostileCase.Refused("CVE-2020-10724: a request of which only the operation is there", "protocol: Config messages", a =>
            ChainCases.Try(a, a.Boot(), 0, r => r.Describe(1, r.Buffers, sizeof(uint)))),

        // DPDK: addresses of receive buffers were not checked where they were filled in batches.
        HostileCase.Ignored("CVE-2020-10725: 60 event buffers outside memory, and as many answers", "VIRTIO 1.2: 2.7.5", a => BadBuffers(a, 1UL << 50)),
        HostileCase.Ignored("CVE-2020-10725: 60 event buffers at address 0, and as many answers", "VIRTIO 1.2: 2.7.5", a => BadBuffers(a, 0)),
        HostileCase.Ignored("CVE-2020-10725: 60 event buffers that wrap at 2^64, and as many answers", "VIRTIO 1.2: 2.7.5", a => BadBuffers(a, ulong.MaxValue - 3)),

        // DPDK: each GET_INFLIGHT_FD made memory that was not given back.
        HostileCase.Refused("CVE-2020-10726: GET_INFLIGHT_FD 2000 times", "vhost-user: VHOST_USER_GET_INFLIGHT_FD", a =>
            Repeat(a, a.Negotiate(), 2000, (connection, i) => connection.Ask(Request.GetInflightFd, [.. Wire.U64(Mebibyte, 0), .. Wire.U32(0x4000_0004)]))),
        HostileCase.Refused("CVE-2020-10726: SET_INFLIGHT_FD 2000 times with its memory", "vhost-user: VHOST_USER_SET_INFLIGHT_FD", a =>
        {
            var file = a.SealedMemory();
            Repeat(a, a.Negotiate(), 2000, (connection, i) => connection.Ask(Request.SetInflightFd, [.. Wire.U64(Mebibyte, 0), .. Wire.U32(0x4000_0004)], file));
        }),

        // DPDK: what a message had set was not given back when it came again.
        HostileCase.Ignored("CVE-2019-14818: SET_VRING_NUM 10000 times with other sizes", "vhost-user: VHOST_USER_SET_VRING_NUM", a =>
            Repeat(a, a.Negotiate(), 10_000, (connection, i) => connection.Ask(Request.SetVringNum, Wire.U32((uint)i % 4, 1u << (i % 16))))),
        HostileCase.Ignored("CVE-2019-14818: kick, call and error descriptors 2000 times", "vhost-user: Front-end message types", a =>
            Repeat(a, a.Negotiate(), 2000, (connection, i) =>
            {
                using var one = EventFd.Create();
                connection.Ask(i % 3 == 0 ? Request.SetVringKick : i % 3 == 1 ? Request.SetVringCall : Request.SetVringErr, Wire.U64((uint)i % 4), one.Descriptor);
            })),
        HostileCase.Ignored("CVE-2019-14818: the back-end channel 1000 times", "vhost-user: VHOST_USER_SET_BACKEND_REQ_FD", a =>
            Repeat(a, a.Negotiate(), 1000, (connection, i) =>
            {
                var (mine, theirs) = UnixSocket.Pair();
                using (mine)
                using (theirs)
                {
                    connection.Ask(Request.SetBackEndReqFd, [], theirs.Descriptor);
                }
            })),

        // DPDK: descriptors with a message that takes none, or another number, were not closed.
        .. new[] { Request.SetOwner, Request.SetFeatures, Request.SetVringNum, Request.GetFeatures, Request.GetInflightFd, Request.SetInflightFd }.Select(request =>
            new HostileCase(
                $"CVE-2022-0669: 8 descriptors with each of 500 {request}", "vhost-user: Ancillary data",
                request is Request.GetInflightFd or Request.SetInflightFd ? Verdict.Refused : Verdict.Ignored, a =>
                {
                    var files = Enumerable.Range(0, 8).Select(_ => a.EventFd().Descriptor).ToArray();
                    var payload = request switch { Request.SetFeatures => Wire.U64(Wire.Sound), Request.SetVringNum => Wire.U32(0, 64), Request.SetOwner or Request.GetFeatures => [], _ => new byte[20] };
                    Repeat(a, a.Negotiate(), 500, (connection, i) =>
                    {
                        connection.Ask(request, payload, files);
                        if (request == Request.GetFeatures)
                        {
                            connection.ForgetAnswer();
                        }
                    });
                })),
        HostileCase.Ended("CVE-2022-0669: 253 descriptors with a message", "vhost-user: Ancillary data", a =>
        {
            var one = a.EventFd();
            a.Negotiate().Ask(Request.SetOwner, [], [.. Enumerable.Repeat(one.Descriptor, 253)]);
        }),
        HostileCase.Ended("CVE-2022-0669: descriptors with every byte of a message", "vhost-user: Ancillary data", a =>
        {
            var one = a.EventFd();
            var connection = a.Negotiate();
            foreach (var piece in Wire.Message((uint)Request.SetFeatures, Wire.Version, 8, Wire.U64(Wire.Sound)))
            {
                if (!connection.SendBytes([piece], one.Descriptor))
                {
                    break;
                }
            }
        }),

        // QEMU: a descriptor of no bytes was mapped for ever.
        HostileCase.Ignored("CVE-2016-6490: a ping of no bytes", "VIRTIO 1.2: 2.7.5", a => ChainCases.Try(a, a.Boot(), 2, r => r.Describe(1, r.Buffers, 0))),
        HostileCase.Refused("CVE-2016-6490: a request of no bytes", "VIRTIO 1.2: 2.7.5", a => ChainCases.Try(a, a.Boot(), 0, r => r.Describe(1, r.Buffers, 0))),
        HostileCase.Ignored("CVE-2016-6490: an event buffer of no bytes", "VIRTIO 1.2: 2.7.5", a => ChainCases.Try(a, a.Boot(), 3, r => r.Describe(1, r.Buffers, 0, RawRing.Write))),
        HostileCase.Ignored("CVE-2016-6490: a reply buffer of no bytes", "VIRTIO 1.2: 2.7.5", a => ChainCases.Try(a, a.Boot(), 1, r => r.Describe(1, r.Buffers, 0, RawRing.Write))),

        // QEMU: requests were taken without a bound while none was completed.
        HostileCase.Ignored("CVE-2016-5403: 50000 pings behind a callback that hangs, each head offered again", "VIRTIO 1.2: 2.7.13", a =>
        {
            var guest = a.Boot(512);
            var instance = guest.Create();
            var gate = a.ShutGate();
            guest.OfferPings(RawGuest.Echo(instance, events: 0) with { Metadata = TestDevices.Metadata(TestOperation.Wait, gate) });
            guest.Create();
            var before = a.Daemon.ChargedBytes;
            guest.OfferPings([.. Enumerable.Range(0, 256).Select(_ => RawGuest.Echo(instance, events: 0))]);
            for (var i = 0; i < 200; i++)
            {
                guest.Pings.Offer([.. Enumerable.Range(0, 250).Select(head => (ushort)head)]);
                SpinWait.SpinUntil(() => guest.Pings.TryUsed(out _), 2);
            }

            AssertBounded(a, before);
        }),
        HostileCase.Ignored("CVE-2016-5403: 20000 requests without a buffer for their replies", "protocol: Config messages", a =>
        {
            var guest = a.Boot(512);
            var before = a.Daemon.ChargedBytes;
            guest.Requests.Describe(0, guest.Requests.Buffers, ConfigMessage.Size);
            for (var i = 0; i < 40; i++)
            {
                guest.Requests.Offer([.. Enumerable.Repeat((ushort)0, 500)]);
            }

            AssertBounded(a, before);
        }),

        // QEMU: an indirect table could have more entries than there was room for.
        HostileCase.Refused("CVE-2011-2212: an indirect table of 1025 entries", "VIRTIO 1.2: 2.7.5.3.1", a => LongTable(a, 0, 1025, 0)),
        HostileCase.Refused("CVE-2011-2212: an indirect table of 16384 entries, half of them to be written", "VIRTIO 1.2: 2.7.5.3.1", a => LongTable(a, 0, 16384, 8192)),
        HostileCase.Ignored("CVE-2011-2212: an indirect table of 1025 entries in the event ring", "VIRTIO 1.2: 2.7.5.3.1", a => LongTable(a, 3, 1025, 0)),

        // DPDK's vhost-crypto, five of one review.
        HostileCase.Refused("CVE-2020-14374: a request whose second buffer has 500 KiB more", "VIRTIO 1.2: 2.7.4", a => ChainCases.Try(a, a.Boot(), 0, r =>
        {
            r.Describe(1, r.Buffers, ConfigMessage.Size, RawRing.Next, 2);
            r.Describe(2, r.Buffers, 500 << 10);
        })),
        HostileCase.Ignored("CVE-2020-14374: a ping whose second buffer has 500 KiB more", "VIRTIO 1.2: 2.7.4", a => ChainCases.Try(a, a.Boot(), 2, r =>
        {
            r.Describe(1, r.Buffers, PingMessage.Size, RawRing.Next, 2);
            r.Describe(2, r.Buffers, 500 << 10);
        })),
        HostileCase.Ignored("CVE-2020-14375: lengths and addresses of descriptors change while they are read", "VIRTIO 1.2: 2.7.13.3", a => Toggle(a, guest =>
        {
            guest.Pings.Describe(0, guest.Pings.Buffers, PingMessage.Size);
            guest.Pings.Describe(0, ulong.MaxValue - 15, uint.MaxValue);
            guest.Requests.Describe(0, guest.Requests.Buffers, ConfigMessage.Size);
            guest.Requests.Describe(0, 1UL << 50, uint.MaxValue, RawRing.Next, 5);
        })),
        HostileCase.Ignored("CVE-2020-14375: event buffers change while they are written", "VIRTIO 1.2: 2.7.13.3", a => Toggle(a, guest =>
        {
            guest.Events.Describe(0, guest.Events.Buffers, EventMessage.Size, RawRing.Write);
            guest.Events.Describe(0, ulong.MaxValue - 3, uint.MaxValue, RawRing.Write);
            guest.Replies.Describe(0, guest.Replies.Buffers, ConfigMessage.Size, RawRing.Write);
            guest.Replies.Describe(0, 1UL << 50, 1, RawRing.Write);
        })),
        HostileCase.Refused("CVE-2020-14376: a request of 512 KiB", "protocol: Config messages", a => ChainCases.Try(a, a.Boot(), 0, r => r.Describe(1, r.Buffers, 512 << 10))),
        HostileCase.Ignored("CVE-2020-14376: a request that lists 2^32-1 devices", "protocol: Config messages", a =>
        {
            var guest = a.Boot();
            var request = new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = uint.MaxValue };
            request.FirstDevice = new DeviceIdentity(TestDevices.Vendor, TestDevices.Test, 1);
            guest.Ask(request);
            guest.AssertGoesOn(guest.Create());
        }),
        HostileCase.Refused("CVE-2020-14377: a ping that has the device read behind its object", "protocol: Ping messages", a => ReadBehind(a, 0, (1 << 20) + 8)),
        HostileCase.Refused("CVE-2020-14377: a ping that has the device read before its object", "protocol: Ping messages", a => ReadBehind(a, ulong.MaxValue - 7, 16)),
        HostileCase.Ignored("CVE-2020-14378: a ping of 63 descriptors without bytes and none with", "VIRTIO 1.2: 2.7.5", a => ChainCases.Try(a, a.Boot(), 2, r =>
        {
            for (ushort i = 1; i < 63; i++)
            {
                r.Describe(i, r.Buffers, 0, RawRing.Next, (ushort)(i + 1));
            }

            r.Describe(63, r.Buffers, 0);
        })),
        HostileCase.Ignored("CVE-2020-14378: a ping of 2^32-1 bytes in descriptors of 2^32-1", "VIRTIO 1.2: 2.7.5.2", a => ChainCases.Try(a, a.Boot(), 2, r =>
        {
            r.Describe(1, r.Buffers, uint.MaxValue, RawRing.Next, 2);
            r.Describe(2, r.Buffers, uint.MaxValue, RawRing.Next, 1);
        })),

        // Xen: what lies in shared memory was read again after it was checked.
        HostileCase.Ignored("XSA-155: requests change between check and use", "protocol: Config messages", a => Toggle(a, guest =>
        {
            var bytes = guest.Bytes(guest.Requests.Buffers, ConfigMessage.Size);
            bytes[0] ^= 7;
            bytes[400] ^= 0xFF;
            bytes[423] ^= 0xFF;
        })),
        HostileCase.Ignored("XSA-155: heads change between check and use", "VIRTIO 1.2: 2.7.6", a => Toggle(a, guest =>
        {
            foreach (var ring in guest.Rings)
            {
                guest.Bytes(ring.Available + 4, 2)[0] ^= 0x3F;
                guest.Bytes(ring.Table + 14, 2)[0] ^= 0xFF;
            }
        })),
        HostileCase.Ignored("XSA-155: indirect tables change between check and use", "VIRTIO 1.2: 2.7.5.3", a => Toggle(a, guest =>
        {
            guest.Pings.Describe(0, guest.Pings.Buffers + 4096, 16, RawRing.Indirect);
            guest.Pings.DescribeAt(guest.Pings.Buffers + 4096, guest.Pings.Buffers, PingMessage.Size);
            guest.Pings.DescribeAt(guest.Pings.Buffers + 4096, ulong.MaxValue, uint.MaxValue, RawRing.Next, 1);
        }, Wire.Sound | Wire.Indirect)),
    ];

    /// <summary>A buffer too short, whose bytes behind it must stay as they were.</summary>
    private static void Short(Attack a, int ring, uint length)
    {
        var guest = a.Boot();
        var at = guest.Rings[ring].Buffers + 4096;
        ChainCases.Try(a, guest, ring, r =>
        {
            guest.Bytes(at, 1024).Fill(0xEE);
            r.Describe(1, at, length, RawRing.Write);
        });
        if (guest.Bytes(at, 1024).IndexOfAnyExcept((byte)0xEE) >= 0)
        {
            throw new HarmException("Bytes were written into a buffer that is too short.");
        }
    }

    private static void BadBuffers(Attack a, ulong address)
    {
        var guest = a.Boot();
        var instance = guest.Create();
        for (ushort i = 1; i <= 60; i++)
        {
            guest.Events.Describe(i, address, EventMessage.Size, RawRing.Write);
        }

        guest.Events.Offer([.. Enumerable.Range(1, 60).Select(i => (ushort)i)]);
        guest.OfferPings([.. Enumerable.Range(0, 60).Select(i => RawGuest.Echo(instance, 7))]);
        for (var i = 0; i < 60; i++)
        {
            guest.OfferEvent();
            guest.Events.AwaitUsed(0, "an answer behind bad buffers");
        }

        guest.Pings.AwaitUsed(59, "pings behind bad buffers");
        guest.AssertGoesOn(instance);
    }

    private static void Repeat(Attack a, Connection connection, int count, Action<Connection, int> once)
    {
        var (descriptors, before) = (a.Daemon.Descriptors, a.Daemon.ChargedBytes);
        for (var i = 0; i < count; i++)
        {
            once(connection, i);
        }

        if (a.Daemon.Descriptors > descriptors + 40)
        {
            throw new HarmException($"{a.Daemon.Descriptors} descriptors, {descriptors} before.");
        }

        AssertBounded(a, before);
    }

    private static void AssertBounded(Attack a, long before)
    {
        // Far more than the collector lets lie about, far less than what was asked for.
        if (a.Daemon.ChargedBytes - before > 128 << 20)
        {
            throw new HarmException($"{a.Daemon.ChargedBytes - before} bytes more that the daemon is charged for.");
        }
    }

    private static void LongTable(Attack a, int ring, uint entries, int writable) =>
        ChainCases.Try(a, a.Boot(features: Wire.Sound | Wire.Indirect), ring, r =>
        {
            var table = r.Buffers + 4096;
            for (uint i = 0; i < entries; i++)
            {
                var flags = ring == 3 || i >= entries - writable ? RawRing.Write : (ushort)0;
                r.DescribeAt(table + (16 * i), r.Buffers, 1, (ushort)(flags | (i + 1 < entries ? RawRing.Next : 0)), (ushort)(i + 1));
            }

            r.Describe(1, table, 16 * entries, RawRing.Indirect);
        });

    private static void ReadBehind(Attack a, ulong offset, ulong size)
    {
        var guest = a.Boot();
        var instance = guest.Create();
        var memory = guest.Ask(ConfigOperation.AllocateMemory, instance, size: 1 << 20);
        var answer = guest.Ping(RawGuest.Echo(instance) with
        {
            Metadata = TestDevices.Metadata(TestOperation.Checksum),
            ShmId = memory.ShmId,
            ShmOffset = offset,
            ShmSize = size,
        });
        a.Saw = answer == Revents.Refused ? Verdict.Refused : throw new HarmException($"Answered with {answer:x}.");
    }

    /// <summary>A second thread changes the rings' memory while a first one sends requests and pings. Rings may break by it.</summary>
    private static void Toggle(Attack a, Action<RawGuest> change, ulong features = Wire.Sound)
    {
        for (var round = 0; round < (Attack.IsLong ? 200 : 6); round++)
        {
            var guest = a.Boot(features: features);
            var instance = guest.Create();
            using var stop = new CancellationTokenSource();
            var toggle = Task.Factory.StartNew(
                () =>
                {
                    while (!stop.IsCancellationRequested)
                    {
                        change(guest);
                    }
                },
                CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            for (var i = 0; i < 200; i++)
            {
                guest.OfferReply();
                guest.OfferEvent();
                guest.OfferRequest(new ConfigMessage { Operation = ConfigOperation.EnumerateDevices });
                guest.OfferPings(RawGuest.Echo(instance));
                SpinWait.SpinUntil(() => guest.Pings.TryUsed(out _), 2);
            }

            stop.Cancel();
            toggle.Wait();
            guest.Connection.LivesOrWedged();
            guest.Dispose();
        }
    }
}
