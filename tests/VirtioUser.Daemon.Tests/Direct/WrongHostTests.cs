// A host that answers wrongly, never, or unasked, and the program that talks to it without a VM.
using System.Runtime.InteropServices;
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Guest.Direct;
using VirtioUser.Protocol;
using VirtioUser.Vm.Tests;

namespace VirtioUser.Daemon.Tests.Direct;

public sealed class WrongHostTests : IDisposable
{
    private const uint Bad = 0xBAD;

    private static readonly DeviceIdentity Identity = new(TestDevices.Vendor, TestDevices.Test, 1);

    private readonly ScriptedHost _host;
    private readonly DeviceSource _source;
    private List<DeviceIdentity> _offered = [Identity];
    private ulong _handles;
    private ulong _objects;

    public WrongHostTests()
    {
        _host = new ScriptedHost(Rightly);
        _source = DeviceSource.Daemon(_host.SocketPath);
    }

    private delegate void Change(ref ConfigMessage reply);

    public void Dispose()
    {
        _source.Dispose();
        _host.Dispose();
    }

    [Fact]
    public void An_open_fails_as_the_reply_says_and_with_EPROTO_if_it_makes_no_sense()
    {
        using var held = _source.Open();
        var taken = _handles;
        AssertOpenFails(Errno.ENXIO, (ref ConfigMessage reply) => reply.Error = ConfigError.DeviceInitializationFailed);
        AssertOpenFails(Errno.EIO, (ref ConfigMessage reply) => reply.Error = ConfigError.InstanceCreationFailed);
        AssertOpenFails(Errno.EINVAL, (ref ConfigMessage reply) => reply.Error = ConfigError.BadRequest);
        AssertOpenFails(Errno.EPROTO, (ref ConfigMessage reply) => reply.Error = (ConfigError)uint.MaxValue);
        AssertOpenFails(Errno.EPROTO, (ref ConfigMessage reply) => reply.InstanceHandle = 0);
        AssertOpenFails(Errno.EPROTO, (ref ConfigMessage reply) => reply.InstanceHandle = taken);
        AssertOpenFails(Errno.EPROTO, (ref ConfigMessage reply) => reply.Operation = ConfigOperation.DestroyInstance);
        AssertOpenFails(Errno.EPROTO, (ref ConfigMessage reply) => reply.FirstDevice = Identity with { Version = 2 });
        AssertOpenFails(Errno.EPROTO, (ref ConfigMessage reply) => reply.Tag ^= 1UL << 63);
        AssertOpenFails(Errno.EPROTO, bytes => bytes[..^1]);
        AssertOpenFails(Errno.EPROTO, _ => []);

        // None of it has harmed the connection.
        using var device = _source.Open();
        Assert.Equal(Identity, device.Identity);
    }

    [Fact]
    public void An_error_says_why_in_the_hosts_words_but_for_what_would_control_a_terminal()
    {
        _host.Answer = request => Changed(Rightly(request), (ref ConfigMessage reply) =>
        {
            reply.Error = ConfigError.InstanceCreationFailed;
            "no \u001b[2Jroom"u8.CopyTo(MemoryMarshal.AsBytes(new Span<ReasonText>(ref reply.Reason)));
        });

        var thrown = Assert.Throws<VirtioUserException>(() => _source.Open());

        Assert.EndsWith("(EIO): no [2Jroom", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_ping_that_fails_says_how_and_why()
    {
        using var device = _source.Open();
        _host.Answer = request => Changed(Rightly(request), (ref ConfigMessage reply) => reply.Reason = ReasonText.From($"as {request.Operation} says"));

        AssertFails(Revents.Refused, (true, false, 0), "the host refused the ping (revents 0x80000001): as Explain says");
        AssertFails(Revents.Interrupted, (false, true, 0), "the ping was interrupted, and may or may not have run (revents 0x80000002): as Explain says");
        AssertFails(Revents.FailedWith(77), (false, false, 77), "the device failed the ping with code 77 (revents 0x80004d00): as Explain says");
        AssertFails(Revents.Failed, (false, false, 0), "the device failed at the ping (revents 0x80000000): as Explain says");
        _host.Answer = request => Changed(Rightly(request), (ref ConfigMessage reply) => reply.Error = ConfigError.BadRequest);
        AssertFails(Revents.Refused, (true, false, 0), "the host refused the ping (revents 0x80000001)");

        _host.Answer = Rightly;
        _host.SendEvent(new EventMessage(_handles, Revents.PingsInterrupted(3)));
        _host.SendEvent(new EventMessage(_handles, Revents.Notice | 99));
        _host.SendEvent(new EventMessage(_handles, Revents.Unsolicited | 5));
        Assert.Equal(5u, device.ReadEvent(TestContext.Current.CancellationToken));

        void AssertFails(uint revents, (bool Refused, bool Interrupted, int Code) kind, string message)
        {
            var pinging = Program.Blocking(() => Record.Exception(() => device.Call(TestOperation.Echo)));
            do
            {
                _host.SendEvent(new EventMessage(_handles, revents)); // one that comes before the ping is dropped
            }
            while (!pinging.Wait(10));

            var failure = Assert.IsType<PingFailedException>(pinging.Result);
            Assert.Equal(kind, (failure.IsRefused, failure.IsInterrupted, failure.Code));
            Assert.EndsWith(message, failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_list_that_is_too_long_or_refused_is_EPROTO_or_what_the_host_says()
    {
        AssertNoList((ref ConfigMessage reply) => reply.DeviceCount = 33);
        AssertNoList((ref ConfigMessage reply) => reply.DeviceCount = 2); // more than there are
        AssertNoList((ref ConfigMessage reply) => reply.DeviceCount = 0); // the next page is the same
        AssertNoList((ref ConfigMessage reply) => reply.ShmId = 4097);
        AssertNoList((ref ConfigMessage reply) => reply.ShmId = ulong.MaxValue);
        AssertNoList((ref ConfigMessage reply) => (reply.DeviceCount, reply.ShmId) = (0, 1));
        _host.Answer = request => Changed(Rightly(request), (ref ConfigMessage reply) => reply.Error = ConfigError.BadRequest);
        Assert.Equal(Errno.EINVAL, Assert.Throws<VirtioUserException>(() => _source.List()).Errno);
        _host.Answer = Rightly;
        Assert.Equal(Identity, Assert.Single(_source.List()).Identity);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(64)]
    [InlineData(4096)]
    public void A_list_of_any_length_comes_in_pages(int count)
    {
        _offered = [.. Enumerable.Range(1, count).Select(id => new DeviceIdentity(7, (uint)id, 1))];

        Assert.Equal(_offered, _source.List().Select(node => node.Identity));
    }

    [Fact]
    public void A_list_begins_anew_when_the_devices_change_between_its_pages()
    {
        _offered = [.. Enumerable.Range(1, 100).Select(id => new DeviceIdentity(7, (uint)id, 1))];
        _host.Answer = request =>
        {
            if (request.DeviceCount == 64 && _offered.Count == 100)
            {
                _offered = [.. Enumerable.Range(1, 90).Select(id => new DeviceIdentity(8, (uint)id, 1))];
            }

            return Rightly(request);
        };

        Assert.Equal(_offered = [.. Enumerable.Range(1, 90).Select(id => new DeviceIdentity(8, (uint)id, 1))], _source.List().Select(node => node.Identity));
    }

    [Fact]
    public void A_list_that_never_stays_the_same_is_given_up()
    {
        var asked = 0;
        _host.Answer = request =>
        {
            _offered = [.. Enumerable.Range(1, 40 + (++asked % 2)).Select(id => new DeviceIdentity(7, (uint)id, 1))];
            return Rightly(request);
        };

        Assert.Equal(Errno.EAGAIN, Assert.Throws<VirtioUserException>(() => _source.List()).Errno);
        Assert.Equal(16, asked);
    }

    [Fact]
    public void An_allocation_fails_as_the_reply_says_and_with_EPROTO_if_the_program_could_not_use_it()
    {
        using var device = _source.Open();
        AssertAllocationFails(device, Errno.ENOMEM, (ref ConfigMessage reply) => reply.Error = ConfigError.AllocationFailed);
        AssertAllocationFails(device, Errno.ENOENT, (ref ConfigMessage reply) => reply.Error = ConfigError.ExportFailed);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.Error = (ConfigError)99);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.ShmId = 0);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.ShmSize = 0);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.ShmSize = 4096);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.ShmSize = ulong.MaxValue);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.ShmOffset = 1);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.ShmOffset = ScriptedHost.ArenaLength);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.ShmOffset = ScriptedHost.ArenaLength - 4096);
        AssertAllocationFails(device, Errno.EPROTO, (ref ConfigMessage reply) => reply.ShmOffset = ulong.MaxValue - 4095);

        using var memory = device.Allocate(8192);
        memory.Span.Fill(1);
        Assert.Equal(8192ul, memory.Length);
    }

    [Fact]
    public async Task A_program_that_waits_for_a_silent_host_gets_on_when_its_source_is_disposed_of()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _host.Answer = request =>
        {
            if (request.Operation != ConfigOperation.CreateInstance)
            {
                return Rightly(request);
            }

            asked.TrySetResult();
            return null;
        };
        var opening = Program.Blocking(() => _source.Open());
        await asked.Task.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);

        _source.Dispose();

        Assert.Equal(Errno.ENODEV, (await Assert.ThrowsAsync<VirtioUserException>(() => opening)).Errno);
    }

    [Fact]
    public async Task A_thread_that_waits_for_a_silent_host_holds_up_no_other()
    {
        using var held = _source.Open();
        var asked = new TaskCompletionSource<ConfigMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        _host.Answer = request => request.Operation == ConfigOperation.CreateInstance && asked.TrySetResult(request) ? null : Rightly(request);
        var opening = Program.Blocking(() => _source.Open());
        var silent = await asked.Task.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);

        await Program.OnThreads(8, _ =>
        {
            for (var i = 0; i < 50; i++)
            {
                held.Allocate(8192).Dispose();
            }
        });
        using (var other = _source.Open())
        {
            Assert.Equal(Identity, other.Identity);
        }

        Assert.False(opening.IsCompleted);
        _host.Reply(Rightly(silent));
        using var opened = await opening;
        Assert.Equal(Identity, opened.Identity);
    }

    [Fact]
    public void Instances_are_closed_without_waiting_for_the_host_and_no_more_requests_are_in_flight_than_it_takes()
    {
        const int Count = 100;
        var destroyed = 0;
        var silent = new Queue<ConfigMessage>();
        var devices = Enumerable.Range(0, Count).Select(_ => _source.Open()).ToList();
        _host.Answer = request =>
        {
            if (request.Operation == ConfigOperation.DestroyInstance)
            {
                lock (silent)
                {
                    silent.Enqueue(request);
                }

                Interlocked.Increment(ref destroyed);
                return null;
            }

            return Rightly(request);
        };

        devices.ForEach(device => device.Dispose());

        WaitFor(32);
        for (var i = 33; i <= Count; i++)
        {
            lock (silent)
            {
                _host.Reply(Rightly(silent.Dequeue()));
            }

            WaitFor(i);
        }

        void WaitFor(int count)
        {
            Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref destroyed) >= count, Patience.Limit), $"{destroyed} of {count} were asked for.");
            Assert.Equal(count, Volatile.Read(ref destroyed));
        }
    }

    [Fact]
    public async Task Memory_that_was_closed_just_before_is_waited_for_where_there_is_no_other()
    {
        using var device = _source.Open();
        var closed = _source.Open();
        var destroying = new TaskCompletionSource<ConfigMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        var refused = 0;
        _host.Answer = request =>
        {
            if (request.Operation == ConfigOperation.DestroyInstance && destroying.TrySetResult(request))
            {
                return null;
            }

            var isFull = request.Operation == ConfigOperation.AllocateMemory && Interlocked.Increment(ref refused) == 1;
            return isFull ? Changed(Rightly(request), (ref ConfigMessage reply) => reply.Error = ConfigError.AllocationFailed) : Rightly(request);
        };
        closed.Dispose();
        var destroy = await destroying.Task.WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);

        var allocating = Program.Blocking(() => device.Allocate(8192));
        Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref refused) == 1, Patience.Limit));
        _host.Reply(Rightly(destroy));

        using var memory = await allocating;
        Assert.Equal((2, 8192ul), (refused, memory.Length));
        _host.Answer = request => Changed(Rightly(request), (ref ConfigMessage reply) => reply.Error = ConfigError.AllocationFailed);
        Assert.Equal(Errno.ENOMEM, Assert.Throws<VirtioUserException>(() => device.Allocate(8192)).Errno);
    }

    [Fact]
    public void Events_that_come_before_the_reply_that_tells_their_instance_are_its_first()
    {
        _host.Answer = request =>
        {
            var reply = Rightly(request);
            for (var i = 1u; request.Operation == ConfigOperation.CreateInstance && i <= 50; i++)
            {
                _host.SendEvent(new EventMessage(_handles + 1000, Revents.Unsolicited | Bad));
                _host.SendEvent(new EventMessage(_handles, Revents.Unsolicited | i));
            }

            return reply;
        };

        using var device = _source.Open();

        for (var i = 1u; i <= 50; i++)
        {
            Assert.Equal(i, device.ReadEvent(TestContext.Current.CancellationToken));
        }

        Assert.False(device.TryReadEvent(out _));
    }

    [Fact]
    public void More_events_before_the_reply_than_are_kept_are_told_as_lost()
    {
        _host.Answer = request =>
        {
            var reply = Rightly(request);
            for (var i = 1u; request.Operation == ConfigOperation.CreateInstance && i <= 200; i++)
            {
                _host.SendEvent(new EventMessage(_handles, Revents.Unsolicited | i));
            }

            return reply;
        };

        using var device = _source.Open();

        Assert.Throws<EventsLostException>(() => device.ReadEvent(TestContext.Current.CancellationToken));
        Assert.Equal(1u, device.ReadEvent(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Events_that_nobody_asked_for_or_that_are_no_events_are_dropped()
    {
        using var device = _source.Open();
        _host.SendEvent(new EventMessage(_handles + 1, Revents.Unsolicited | Bad)); // of nobody
        _host.SendEvent(new EventMessage(0, Bad));
        _host.SendEvent(new EventMessage(_handles, Bad)); // answers to no ping
        _host.SendEvent(new EventMessage(_handles, Revents.Failed));
        _host.SendEvent([1, 2, 3]);
        _host.SendEvent([]);
        _host.SendEvent(new EventMessage(_handles, Revents.Notice | 99)); // a notice of days to come
        _host.SendEvent(new EventMessage(_handles, Revents.Unsolicited | 5));

        Assert.Equal(5u, device.ReadEvent(TestContext.Current.CancellationToken));
        Assert.False(device.TryReadEvent(out _));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Events_without_end_keep_nobody_from_giving_up(bool areEvents)
    {
        using var device = _source.Open();
        using var stop = new CancellationTokenSource();
        var flood = Program.Blocking(() => Flood(areEvents, stop.Token));

        // The host answers no ping.
        using (var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(100)))
        {
            Assert.Throws<OperationCanceledException>(() => device.Ping(Program.Ping(TestOperation.Echo), cancel.Token));
        }

        using (var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(100)))
        {
            Assert.Throws<OperationCanceledException>(() => device.ReadEvent(cancel.Token));
        }

        await stop.CancelAsync();
        await flood;
    }

    [Theory]
    [InlineData(255, 0)] // an entry that the host does not have
    [InlineData(256, 0)] // beyond the ring
    [InlineData(0, 1)] // bytes written where there is no room
    public void Pings_that_come_back_wrongly_end_the_connection(ushort head, uint written)
    {
        using var device = _source.Open();
        _host.DoOnQueue(Limits.PingQueue, queue => queue.Return(head, written));

        AssertGone(() =>
        {
            while (true)
            {
                device.Send(Program.Ping(TestOperation.Echo));
            }
        });
        AssertGone(() => device.Call(TestOperation.Echo));
        AssertGone(() => device.Allocate(4096));
    }

    [Theory]
    [InlineData(256, 12)] // beyond the ring
    [InlineData(0, 13)] // more than there is room for
    public async Task Events_that_come_back_wrongly_end_the_connection(ushort head, uint written)
    {
        using var device = _source.Open();
        using var other = _source.Open();
        var reading = Program.Blocking(() => device.ReadEvent());

        _host.DoOnQueue(Limits.EventQueue, queue => queue.Return(head, written));

        Assert.Equal(Errno.ENODEV, (await Assert.ThrowsAsync<VirtioUserException>(() => reading)).Errno);
        AssertGone(() => other.Call(TestOperation.Echo));
        AssertGone(() => other.Allocate(4096));
    }

    [Theory]
    [InlineData(Limits.PingQueue)]
    [InlineData(Limits.ConfigTxQueue)]
    [InlineData(Limits.ConfigRxQueue)]
    public async Task A_program_that_is_stuck_in_a_kick_gets_on_when_its_source_is_disposed_of(int queue)
    {
        var device = _source.Open();
        _host.BlockKicks(queue);
        var working = Program.Blocking(() =>
        {
            while (true)
            {
                device.Send(Program.Ping(TestOperation.Echo));
                device.Allocate(8192).Dispose();
            }
        });

        _source.Dispose();

        Assert.True(await Record.ExceptionAsync(() => working) is VirtioUserException { Errno: Errno.ENODEV });
    }

    [Fact]
    public void A_reply_that_comes_back_wrongly_ends_the_connection()
    {
        using var device = _source.Open();
        _host.Answer = request =>
        {
            _host.DoOnQueue(Limits.ConfigRxQueue, queue => queue.Return(ConfigExchange.MaxInFlight, ConfigMessage.Size));
            return null;
        };

        AssertGone(() => device.Allocate(4096));
        AssertGone(() => device.Call(TestOperation.Echo));
    }

    private static void AssertGone(Action action) => Assert.Equal(Errno.ENODEV, Assert.Throws<VirtioUserException>(action).Errno);

    private static byte[] Changed(byte[] bytes, Change change)
    {
        change(ref MemoryMarshal.AsRef<ConfigMessage>(bytes.AsSpan()));
        return bytes;
    }

    private void AssertOpenFails(Errno errno, Change change) => AssertOpenFails(errno, bytes => Changed(bytes, change));

    private void AssertOpenFails(Errno errno, Func<byte[], byte[]> change) =>
        AssertFails(errno, ConfigOperation.CreateInstance, change, () => _source.Open());

    private void AssertAllocationFails(VirtioUserDevice device, Errno errno, Change change) =>
        AssertFails(errno, ConfigOperation.AllocateMemory, bytes => Changed(bytes, change), () => device.Allocate(8192));

    private void AssertNoList(Change change)
    {
        _host.Answer = request => Changed(Rightly(request), change);
        Assert.Equal(Errno.EPROTO, Assert.Throws<VirtioUserException>(() => _source.List()).Errno);
    }

    private void AssertFails(Errno errno, ConfigOperation changed, Func<byte[], byte[]> change, Action action)
    {
        _host.Answer = request => request.Operation == changed ? change(Rightly(request)) : Rightly(request);
        Assert.Equal(errno, Assert.Throws<VirtioUserException>(action).Errno);
        _host.Answer = Rightly;
    }

    private void Flood(bool areEvents, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                if (areEvents)
                {
                    _host.SendEvent(new EventMessage(_handles + 1, Revents.Unsolicited | Bad));
                }
                else
                {
                    _host.SendEvent([1]);
                }
            }
            catch (InvalidOperationException)
            {
                // No buffer at the moment: the program has to catch up.
            }
        }
    }

    // As a host should; every object lies behind the one before.
    private byte[] Rightly(ConfigMessage request)
    {
        var reply = new ConfigMessage { Operation = request.Operation, Tag = request.Tag };
        switch (request.Operation)
        {
            case ConfigOperation.EnumerateDevices:
                var left = _offered.Skip((int)request.DeviceCount).Take(Limits.DevicesInMessage).ToList();
                (reply.DeviceCount, reply.ShmId) = ((uint)left.Count, (ulong)_offered.Count);
                for (var i = 0; i < left.Count; i++)
                {
                    reply.SetDevice(i, left[i]);
                }

                break;
            case ConfigOperation.CreateInstance:
                (reply.DeviceCount, reply.FirstDevice, reply.InstanceHandle) = (1, request.FirstDevice, ++_handles);
                break;
            case ConfigOperation.AllocateMemory:
                (reply.ShmId, reply.ShmOffset, reply.ShmSize) = (++_objects, _objects * 8192, 8192);
                break;
        }

        return MemoryMarshal.AsBytes(new ReadOnlySpan<ConfigMessage>(in reply)).ToArray();
    }
}
