// Pings and their answers, end to end.
using FsCheck.Xunit;
using TestDevice.Dependency;
using Virtio.Queues;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class PingTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    [Fact]
    public void The_device_sees_metadata_events_and_version()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create(TestDevices.ManyVersions, 3);

        Assert.Equal(0x2345_6789u & Revents.DeviceMask, driver.Call(instance, TestOperation.Echo, 0x2345_6789));
        Assert.Equal(0x1234u, driver.Call(new PingMessage { InstanceHandle = instance, Metadata = TestDevices.Metadata(TestOperation.EchoEvents), Events = 0x1234 }));
        Assert.Equal(3u, driver.Call(instance, TestOperation.Version));
    }

    [Fact]
    public void No_kick_of_either_queue_is_missed()
    {
        using var driver = daemon.Boot(new VmOptions { PostsEvents = false });
        var instance = driver.Create();

        // Each answer waits for a buffer, so that both queues kick the same sleeping thread.
        for (var i = 0u; i < 20_000; i++)
        {
            driver.Send(instance, TestOperation.Echo, i);
            Assert.True(driver.Vm.Events.TryPost(EventMessage.Size));
            driver.Vm.Events.Receive(out var bytes, "an answer");
            Assert.Equal(i, System.Runtime.InteropServices.MemoryMarshal.Read<EventMessage>(bytes).Revents);
        }
    }

    [Fact]
    public void Each_device_assembly_has_its_own_dependencies()
    {
        using var driver = daemon.Boot();

        Assert.Equal(1u, driver.Call(driver.Create(), TestOperation.DependencyVersion));
        Assert.Equal(2u, driver.Call(driver.Create(TestDevices.Second), TestOperation.DependencyVersion));
    }

    [Fact]
    public void Host_and_guest_see_each_others_bytes()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        var shared = driver.Allocate(instance, 65536);

        Pattern.Fill(driver.Bytes(shared), 3);
        Assert.Equal(Pattern.Checksum(driver.Bytes(shared)), driver.Call(instance, TestOperation.Checksum, shared: shared));

        var expected = new byte[65536];
        Pattern.Fill(expected, 4);
        Assert.Equal(1u, driver.Call(instance, TestOperation.Fill, 4, shared));
        Assert.Equal(expected, driver.Bytes(shared));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_physical_address_is_the_guests_or_the_offset_where_no_address_is_known(bool listed)
    {
        using var driver = daemon.Boot(new VmOptions { ListsArena = listed });
        var instance = driver.Create();
        driver.Allocate(instance, 4096);
        var shared = driver.Allocate(instance, 3 * 4096);
        var ping = new PingMessage
        {
            InstanceHandle = instance,
            Metadata = TestDevices.Metadata(TestOperation.PhysicalPage),
            ShmId = shared.Id,
            ShmOffset = 4096,
            ShmSize = 1,
            Events = 1,
        };

        var address = shared.Offset + 4096 + (listed ? ArenaWindow.GuestAddress : 0);

        Assert.Equal((uint)(address >> 12) & Revents.DeviceMask, driver.Call(ping));
    }

    [Fact]
    public void A_ping_that_wants_no_answer_gets_none()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();

        driver.Send(instance, TestOperation.Count, events: 0);
        driver.Send(instance, TestOperation.Echo, 55, events: 0);

        Assert.Equal(3u, driver.Call(instance, TestOperation.Count));
    }

    [Theory]
    [InlineData(0, 4097)]
    [InlineData(4096, 1)]
    [InlineData(4097, 0)]
    [InlineData(1, long.MaxValue)]
    [InlineData(-1, 1)]
    [InlineData(-1, -1)]
    [InlineData(long.MinValue, long.MinValue)]
    public void Bytes_outside_the_object_are_refused(long offset, long size)
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        var shared = driver.Allocate(instance, 4096);

        var revents = driver.Call(new PingMessage
        {
            InstanceHandle = instance,
            Metadata = TestDevices.Metadata(TestOperation.Echo, 1),
            ShmId = shared.Id,
            ShmOffset = (ulong)offset,
            ShmSize = (ulong)size,
            Events = 1,
        });

        Assert.Equal(Revents.Refused, revents);
        Assert.Equal(1u, driver.Call(instance, TestOperation.Count));
    }

    [Fact]
    public async Task Bad_pings_without_a_wish_for_an_answer_are_counted()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        var before = (await daemon.Metrics.ReadAsync())["virtio_user_pings_rejected_total"];

        driver.Send(instance + 1000, TestOperation.Echo, events: 0);
        driver.Send(instance, TestOperation.Echo, events: 0, shared: new SharedObject(ulong.MaxValue, 0, 1));

        Assert.Equal(2u, driver.Call(instance, TestOperation.Echo, 2));
        await daemon.Metrics.WaitForAsync("virtio_user_pings_rejected_total", before + 2);
    }

    [Fact]
    public void Pings_to_nobody_are_answered_as_failed()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        driver.Do(ConfigOperation.DestroyInstance, instance);

        Assert.Equal(Revents.Refused, driver.Call(instance, TestOperation.Echo, 1));
        Assert.Equal(Revents.Refused, driver.Call(0, TestOperation.Echo, 1));
        Assert.Equal(Revents.Refused, driver.Call(ulong.MaxValue, TestOperation.Echo, 1));
    }

    [Property(MaxTest = 10)]
    public void A_message_that_is_no_ping_comes_back_and_does_nothing(byte[] lengths)
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        foreach (var length in lengths.Where(length => length is > 0 and not PingMessage.Size))
        {
            Assert.True(driver.Vm.Pings.TrySend(new byte[length]));
            driver.Vm.Pings.Receive(out _, "a malformed ping comes back");
        }

        Assert.Equal(1u, driver.Call(instance, TestOperation.Count));
    }

    [Fact]
    public void Chains_of_a_wrong_shape_come_back_and_the_queue_lives_on()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        var buffer = new GuestBuffer(driver.Vm.Ram.Take(PingMessage.Size), PingMessage.Size);
        var outside = new GuestBuffer(0, PingMessage.Size);

        driver.Vm.Pings.SendChain([buffer], [buffer]);
        driver.Vm.Pings.Receive(out _, "a ping with room for the device");
        driver.Vm.Pings.SendChain([outside], []);
        driver.Vm.Pings.Receive(out _, "a ping outside of memory");
        driver.Vm.Pings.SendChain([], [buffer]);
        driver.Vm.Pings.Receive(out _, "a ping that can not be read");

        Assert.Equal(1u, driver.Call(instance, TestOperation.Count));
    }

    public static TheoryData<ushort, QueueFeatures> Queues => new(
        from size in new ushort[] { 2, 4, 8, 64, 256, 1024, 32768 }
        from features in new[] { QueueFeatures.None, QueueFeatures.EventIndex, QueueFeatures.IndirectDescriptors, QueueFeatures.EventIndex | QueueFeatures.IndirectDescriptors }
        where size is 2 or 64 || features is QueueFeatures.EventIndex
        select (size, features));

    [Theory]
    [MemberData(nameof(Queues))]
    public void Queues_of_any_size_and_kind_carry_pings_in_order(ushort size, QueueFeatures features)
    {
        using var driver = daemon.Boot(new VmOptions { QueueSize = size, Features = features });
        var instance = driver.Create();
        var ahead = Math.Min(driver.Vm.Pings.Capacity, driver.Vm.Events.Capacity);
        var rounds = 4 + (200 / ahead);

        for (var round = 0; round < rounds; round++)
        {
            for (var i = 0; i < ahead; i++)
            {
                driver.Send(instance, TestOperation.Count);
            }

            for (var i = 0; i < ahead; i++)
            {
                Assert.Equal((uint)((round * ahead) + i + 1), driver.NextEvent().Revents);
            }
        }
    }

    [Fact]
    public void A_throwing_callback_ends_its_instance_and_no_other()
    {
        using var driver = daemon.Boot();
        var (bad, good) = (driver.Create(), driver.Create());
        var shared = driver.Allocate(bad, 4096);

        Assert.Equal(Revents.Failed, driver.Call(bad, TestOperation.Throw));
        Assert.Equal(new EventMessage(bad, Revents.NoticeInstanceEnded), driver.NextEvent());

        Assert.Equal(Revents.Refused, driver.Call(bad, TestOperation.Echo, 1));
        Assert.Equal(7u, driver.Call(good, TestOperation.Echo, 7));
        driver.Do(ConfigOperation.FreeMemory, bad, shared.Id);
        driver.Do(ConfigOperation.DestroyInstance, bad);
    }

    [Fact]
    public void A_hung_callback_holds_up_nobody_else()
    {
        using var driver = daemon.Boot();
        var gate = Gates.New();
        var (hung, quick) = (driver.Create(), driver.Create(TestDevices.Second));

        driver.Send(hung, TestOperation.Wait, gate);
        driver.Send(hung, TestOperation.Count);
        for (var i = 1u; i <= 300; i++)
        {
            Assert.Equal(i, driver.Call(quick, TestOperation.Count));
        }

        var opener = driver.Create();
        driver.Send(opener, TestOperation.Release, gate, events: 0);
        Assert.Equal(new EventMessage(hung, 1), driver.NextEvent());
        Assert.Equal(new EventMessage(hung, 2), driver.NextEvent());
    }

    [Fact]
    public void Answers_wait_for_event_buffers_and_none_is_lost()
    {
        const uint Pings = 2000;
        using var driver = daemon.Boot(new VmOptions { PostsEvents = false });
        var instance = driver.Create();
        var sent = 0u;
        while (sent < Pings / 2)
        {
            // As many as host and ring keep; then the ring is full for good.
            driver.TakeReturnedPings();
            if (driver.Vm.Pings.Driver.FreeDescriptors == 0 && sent >= driver.Vm.Pings.Capacity)
            {
                break;
            }

            driver.Send(instance, TestOperation.Count);
            sent++;
        }

        driver.PostEvents();
        for (var i = 1u; i <= Pings; i++)
        {
            if (sent < Pings)
            {
                driver.Send(instance, TestOperation.Count);
                sent++;
            }

            Assert.Equal(new EventMessage(instance, i), driver.NextEvent());
        }
    }

    [Fact]
    public void Event_buffers_that_are_too_small_come_back_unused()
    {
        using var driver = daemon.Boot(new VmOptions { PostsEvents = false });
        var instance = driver.Create();
        for (var i = 0; i < 5; i++)
        {
            driver.Vm.Events.TryPost(EventMessage.Size - 1);
        }

        driver.Send(instance, TestOperation.Echo, 9);
        for (var i = 0; i < 5; i++)
        {
            driver.Vm.Events.Receive(out var unused, "a small event buffer");
            Assert.Equal(0, unused.Length);
        }

        driver.PostEvents();
        Assert.Equal(new EventMessage(instance, 9), driver.NextEvent());
    }

    [Fact]
    public void Events_of_the_devices_own_carry_their_bit()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        driver.Send(instance, TestOperation.RaiseEvents, 5, events: 0);

        for (var i = 1u; i <= 5; i++)
        {
            Assert.Equal(new EventMessage(instance, Revents.Unsolicited | i), driver.NextEvent());
        }
    }

    [Fact]
    public async Task Own_events_beyond_the_bound_are_lost_and_the_guest_is_told()
    {
        using var driver = daemon.Boot(new VmOptions { PostsEvents = false });
        var instance = driver.Create();
        var before = (await daemon.Metrics.ReadAsync())["virtio_user_events_dropped_total"];
        driver.Send(instance, TestOperation.RaiseEvents, 1000, events: 0);
        await daemon.Metrics.WaitForAsync("virtio_user_events_dropped_total", before + 1000 - 256);

        driver.PostEvents();

        for (var i = 1u; i <= 256; i++)
        {
            Assert.Equal(new EventMessage(instance, Revents.Unsolicited | i), driver.NextEvent());
        }

        Assert.Equal(new EventMessage(instance, Revents.NoticeEventsLost), driver.NextEvent());
        Assert.Equal(5u, driver.Call(instance, TestOperation.Echo, 5));
    }
}
