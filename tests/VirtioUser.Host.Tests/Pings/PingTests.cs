// What a callback gets and what the guest gets back.
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Pings;

public class PingTests
{
    [Fact]
    public void The_callback_gets_what_was_sent_and_the_same_bytes()
    {
        (ulong Metadata, uint Events, ulong ShmId, ulong Address, ulong Length) seen = default;
        var arena = new HeapArena(16 * 4096);
        using var host = new TestHost(
            new ScriptedDevice((in ping) =>
            {
                seen = (ping.Metadata, ping.Events, ping.ShmId, ping.PhysicalAddress, ping.Length);
                ping.Bytes[0]++;
                return 5;
            }),
            arena: arena);
        host.Model.ArenaAddress = 0x1_0000_0000;
        var handle = host.Open();
        host.Allocate(handle);
        var made = host.Allocate(handle, 8192);
        arena.GetSpan(made.ShmOffset + 100, 1)[0] = 41;

        host.Ping(handle, ulong.MaxValue, 0xFFFF_FFFF, made.ShmId, 100, 200);

        Assert.Equal([5u], host.Events.WaitFor(handle, 1));
        Assert.Equal((ulong.MaxValue, 0xFFFF_FFFF, made.ShmId, 0x1_0000_0000 + made.ShmOffset + 100, 200ul), seen);
        Assert.Equal(42, arena.GetSpan(made.ShmOffset + 100, 1)[0]);
        Assert.Equal(200, host[Counter.PingBytes]);
    }

    [Fact]
    public void Object_0_names_no_memory()
    {
        (ulong Address, ulong Length, bool Empty) seen = (1, 1, false);
        using var host = new TestHost(new ScriptedDevice((in ping) =>
        {
            seen = (ping.PhysicalAddress, ping.Length, ping.Bytes.IsEmpty);
            return 0;
        }));
        host.Model.ArenaAddress = 0x1_0000_0000;
        var handle = host.Open();

        host.Ping(handle, events: 1, offset: 5, size: 7);

        host.Events.WaitFor(handle, 1);
        Assert.Equal((0ul, 0ul, true), seen);
    }

    [Fact]
    public void A_ping_with_events_0_gets_no_answer()
    {
        using var host = new TestHost(new ScriptedDevice((in ping) => (uint)ping.Metadata));
        var handle = host.Open();

        host.Ping(handle, 1, events: 0);
        host.Ping(handle, 2, events: 1);
        host.Ping(handle, 3, events: 0);

        host.WaitForPings();
        Assert.Equal([2u], host.Events.WaitFor(handle, 1));
        Assert.Equal(1, host[Counter.Events]);
    }

    [Theory]
    [InlineData(0xFFFF_FFFFu, 0x3FFF_FFFFu)]
    [InlineData(0xC000_0000u, 0u)]
    [InlineData(0x3FFF_FFFFu, 0x3FFF_FFFFu)]
    public void The_bits_that_are_not_the_devices_are_taken_off(uint returned, uint seen)
    {
        using var host = new TestHost(new ScriptedDevice((in _) => returned));
        var handle = host.Open();

        host.Ping(handle, events: 1);

        Assert.Equal([seen], host.Events.WaitFor(handle, 1));
    }

    [Fact]
    public void More_than_2_GiB_are_reached_in_slices()
    {
        var failed = false;
        var arena = new HugeArena(1ul << 40);
        using var host = new TestHost(
            new ScriptedDevice((in ping) =>
            {
                try
                {
                    _ = ping.Bytes;
                }
                catch (OverflowException)
                {
                    failed = true;
                }

                ping.Slice((8ul << 30) - 10, 10)[9] = 1;
                return (uint)(ping.Length >> 20);
            }),
            arena: arena);
        var handle = host.Open();
        var made = host.Allocate(handle, 16ul << 30);

        host.Ping(handle, events: 1, shmId: made.ShmId, offset: 4096, size: 8ul << 30);

        Assert.Equal([8192u], host.Events.WaitFor(handle, 1));
        Assert.True(failed);
        Assert.Equal(made.ShmOffset + 4096 + (8ul << 30) - 10, arena.LastOffset);
    }

    [Theory]
    [InlineData(0ul, 8193ul)]
    [InlineData(8192ul, 1ul)]
    [InlineData(8193ul, 0ul)]
    [InlineData(1ul, 8192ul)]
    [InlineData(ulong.MaxValue, 1ul)]
    [InlineData(1ul, ulong.MaxValue)]
    [InlineData(ulong.MaxValue, ulong.MaxValue)]
    [InlineData(4096ul, ulong.MaxValue - 4095)]
    public void Bytes_outside_the_object_run_no_callback_and_are_answered_as_bad(ulong offset, ulong size)
    {
        var calls = 0;
        using var host = new TestHost(new ScriptedDevice((in _) => (uint)++calls));
        var handle = host.Open();
        var made = host.Allocate(handle, 8192);

        host.Ping(handle, events: 1, shmId: made.ShmId, offset: offset, size: size);

        Assert.Equal([Revents.Refused], host.Events.WaitFor(handle, 1));
        Assert.Equal(0, calls);
        Assert.Equal(1, host[Counter.PingsRejected]);
    }

    [Theory]
    [InlineData(0ul, 8192ul)]
    [InlineData(8192ul, 0ul)]
    [InlineData(8191ul, 1ul)]
    [InlineData(0ul, 0ul)]
    public void Bytes_up_to_the_very_end_are_good(ulong offset, ulong size)
    {
        using var host = new TestHost(new ScriptedDevice((in ping) => (uint)ping.Bytes.Length));
        var handle = host.Open();
        var made = host.Allocate(handle, 8192);

        host.Ping(handle, events: 1, shmId: made.ShmId, offset: offset, size: size);

        Assert.Equal([(uint)size], host.Events.WaitFor(handle, 1));
    }

    [Fact]
    public void Another_instances_object_is_out_of_reach_until_it_is_imported()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 1));
        var (owner, other) = (host.Open(), host.Open());
        var made = host.Allocate(owner);

        host.Ping(other, events: 1, shmId: made.ShmId, size: 1);
        Assert.Equal([Revents.Refused], host.Events.WaitFor(other, 1));
        host.Config(ConfigOperation.ExportMemory, owner, made.ShmId);
        host.Ping(other, events: 1, shmId: made.ShmId, size: 1);
        Assert.Equal([Revents.Refused, Revents.Refused], host.Events.WaitFor(other, 2));
        host.Config(ConfigOperation.ImportMemory, other, made.ShmId);
        host.Ping(other, events: 1, shmId: made.ShmId, size: 1);
        Assert.Equal([Revents.Refused, Revents.Refused, 1u], host.Events.WaitFor(other, 3));
    }

    [Fact]
    public void Bad_pings_are_answered_in_order_with_good_ones()
    {
        using var host = new TestHost(new ScriptedDevice((in ping) => (uint)ping.Metadata));
        var handle = host.Open();

        for (uint i = 0; i < 300; i++)
        {
            host.Ping(handle, i, events: 1, shmId: i % 3 == 0 ? 999u : 0u);
        }

        Assert.Equal(
            Enumerable.Range(0, 300).Select(i => i % 3 == 0 ? Revents.Refused : (uint)i),
            host.Events.WaitFor(handle, 300));
    }

    [Fact]
    public void An_unknown_handle_is_answered_as_bad_and_a_malformed_entry_comes_back()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 7));
        var handle = host.Open();

        host.Ping(12345, events: 1);
        host.Ping(ulong.MaxValue, events: 0);
        host.Pings.Put(null);
        host.Ping(handle, events: 1);

        Assert.Equal([Revents.Refused], host.Events.WaitFor(12345, 1));
        Assert.Equal([7u], host.Events.WaitFor(handle, 1));
        host.WaitForPings();
        Assert.Equal((2L, 1L, 3L), (host[Counter.PingsRejected], host[Counter.MessagesRejected], host[Counter.Pings]));
        host.WaitForUse(host.Model.InUse.Instances, 0, 0, 0);
    }
}
