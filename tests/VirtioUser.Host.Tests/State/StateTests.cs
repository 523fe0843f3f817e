// The tables of a device model.
using VirtioUser.Host.State;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.State;

public class StateTests
{
    [Fact]
    public void Instances_objects_and_references_stand_in_their_rows()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 0));
        var (owner, other) = (host.Open(), host.Open());
        var made = host.Allocate(owner, 8192);
        host.Config(ConfigOperation.ExportMemory, owner, made.ShmId);
        host.Config(ConfigOperation.ImportMemory, other, made.ShmId);

        var instances = Rows(host.State.Instances, row => row.Handle != 0);
        Assert.Equal([owner, other], instances.Select(row => row.Handle));
        Assert.All(instances, row => Assert.Equal((0x5655u, 1u, 1u, 0u), (row.Vendor, row.Device, row.Version, row.Failed)));
        var shared = Assert.Single(Rows(host.State.Objects, row => row.ShmId != 0));
        Assert.Equal((made.ShmId, made.ShmOffset, 8192ul, 1ul), (shared.ShmId, shared.Offset, shared.Size, shared.Exported));
        Assert.Equal([(owner, made.ShmId), (other, made.ShmId)], Rows(host.State.References, row => row.ShmId != 0).Select(row => (row.InstanceHandle, row.ShmId)));
        Assert.Equal((other, made.ShmId), (host.State.Header.LastHandle, host.State.Header.LastShmId));
    }

    [Fact]
    public void Unfinished_pings_stand_there_in_order_with_their_ring_entries()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(
            new ScriptedDevice((in ping) =>
            {
                started.Set();
                go.Wait();
                return (uint)ping.Metadata;
            }),
            new HostOptions { MaxPingsTakenOver = 2 });
        var (hung, other) = (host.Open(), host.Open());
        for (ulong i = 10; i < 15; i++)
        {
            host.Ping(hung, i, events: 1);
        }

        Patience.Wait(started, "the callback");
        host.Pings.WaitForFree(host.Pings.Size - 3); // the running one may count as one of the two
        host.Ping(777, events: 0);                   // refused when the five before it are in their rows
        SpinWait.SpinUntil(() => host[Counter.PingsRejected] == 1, Patience.Limit);

        var rows = Rows(host.State.Pings, row => row.State == PingState.Unfinished && row.Message.InstanceHandle == hung);
        Assert.Equal([10ul, 11, 12, 13, 14], rows.OrderBy(row => row.Number).Select(row => row.Message.Metadata));
        Assert.Equal(5, rows.Select(row => row.Number).Distinct().Count());
        Assert.InRange(rows.Count(row => row.Ticket == PingRow.NoTicket), 2, 3);

        go.Set();
        host.Events.WaitFor(hung, 5);
        host.WaitForRows(2, 0, 0, 0);
        Assert.NotEqual(hung, other);
    }

    [Fact]
    public void An_answer_that_is_not_delivered_yet_stands_there()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => 99), eventBuffers: 0);
        var handle = host.Open();
        host.Ping(handle, 1, events: 1);
        host.Pings.WaitForAll(); // the callback has returned

        var row = Assert.Single(Rows(host.State.Pings, row => row.State != PingState.Free));
        Assert.Equal((PingState.Answered, 99u, handle), (row.State, row.Revents, row.Message.InstanceHandle));

        host.Events.AddBuffers(1);
        host.Events.WaitFor(handle, 1);
        host.WaitForRows(1, 0, 0, 0);
    }

    [Fact]
    public void A_failed_instance_stands_there_as_failed_until_the_guest_closes_it()
    {
        using var host = new TestHost(new ScriptedDevice((in _) => throw new FormatException()));
        var handle = host.Open();
        host.Ping(handle, events: 1);
        host.Events.WaitFor(handle, 2);

        Assert.Equal(1u, Assert.Single(Rows(host.State.Instances, row => row.Handle != 0)).Failed);
        host.Close(handle);
        host.WaitForRows(0, 0, 0, 0);
    }

    [Fact]
    public void Rows_that_are_touched_at_once_by_many_threads_are_all_kept()
    {
        for (var round = 0; round < 200; round++)
        {
            var table = new StateTable<long>(1000);
            Parallel.For(0, 8, thread =>
            {
                for (var i = thread; i < table.Count; i += 8)
                {
                    table[i] = i;
                }
            });

            Assert.All(Enumerable.Range(0, table.Count), i => Assert.Equal(i, table[i]));
        }
    }

    [Fact]
    public void There_is_no_row_behind_the_last()
    {
        var table = new StateTable<long>(1000);
        Assert.Equal(0, table[999]);
        Assert.Throws<ArgumentOutOfRangeException>(() => table[1000]);
        Assert.Throws<ArgumentOutOfRangeException>(() => table[-1]);
    }

    private static List<T> Rows<T>(StateTable<T> table, Func<T, bool> used)
        where T : unmanaged =>
        [.. Enumerable.Range(0, table.Count).Select(slot => table[slot]).Where(used)];
}
