// A freed object's bytes while a callback still works on them.
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Memory;

public class ObjectLifetimeTests
{
    [Fact]
    public void A_range_is_not_given_out_again_before_the_callback_that_works_on_it_has_returned()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        var arena = new HeapArena(4096);
        using var host = new TestHost(
            new ScriptedDevice((in ping) =>
            {
                started.Set();
                go.Wait();
                ping.Bytes.Fill(0x5A);
                return 0;
            }),
            arena: arena);
        var handle = host.Open();
        var made = host.Allocate(handle);
        host.Ping(handle, events: 1, shmId: made.ShmId, size: 4096);
        Patience.Wait(started, "the callback");

        Assert.Equal(ConfigError.None, host.Config(ConfigOperation.FreeMemory, handle, made.ShmId).Error);
        Assert.Equal(ConfigError.AllocationFailed, host.Config(ConfigOperation.AllocateMemory, handle, size: 1).Error);
        Assert.Empty(arena.Discarded);

        go.Set();
        host.Events.WaitFor(handle, 1);
        var again = host.Allocate(handle);
        Assert.Equal(made.ShmOffset, again.ShmOffset);
        Assert.NotEqual(made.ShmId, again.ShmId);
        Assert.Equal(-1, arena.GetSpan(0, 4096).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void A_ping_about_an_object_that_was_freed_meanwhile_is_bad()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(new ScriptedDevice((in _) =>
        {
            started.Set();
            go.Wait();
            return 1;
        }));
        var handle = host.Open();
        var made = host.Allocate(handle);
        host.Ping(handle, events: 1);
        host.Ping(handle, events: 1, shmId: made.ShmId, size: 1);
        Patience.Wait(started, "the first callback");

        host.Config(ConfigOperation.FreeMemory, handle, made.ShmId);
        go.Set();

        Assert.Equal([1u, Revents.Refused], host.Events.WaitFor(handle, 2));
    }

    [Fact]
    public async Task A_driver_that_goes_leaves_nothing_behind_in_the_arena()
    {
        var arena = new HeapArena(8 * 4096);
        using var host = new TestHost(new ScriptedDevice((in _) => 0), arena: arena);
        host.Allocate(host.Open(), 8192);
        arena.GetSpan(0, (int)arena.Length).Fill(0xA5); // a guest can write anywhere in region 0

        await Patience.Await(host.ReplaceDriver());

        Assert.Equal(-1, arena.GetSpan(0, (int)arena.Length).IndexOfAnyExcept((byte)0));
        host.Allocate(host.Open(), 8 * 4096);
    }

    [Fact]
    public async Task Memory_that_cannot_be_given_back_is_not_given_out_again_and_shows_nothing_of_what_was_in_it()
    {
        var arena = new HeapArena(8 * 4096);
        using var host = new TestHost(new ScriptedDevice((in _) => 0), arena: arena);
        var handle = host.Open();
        var made = host.Allocate(handle);
        arena.GetSpan(made.ShmOffset, 4096).Fill(0xA5);

        arena.DiscardFails = true;
        host.Config(ConfigOperation.FreeMemory, handle, made.ShmId);
        arena.DiscardFails = false;

        Assert.Equal(-1, arena.GetSpan(made.ShmOffset, 4096).IndexOfAnyExcept((byte)0));
        Assert.Contains(host.Log.Lines, line => line.Contains("could not be given back", StringComparison.Ordinal));
        Assert.NotEqual(made.ShmOffset, host.Allocate(handle, 7 * 4096).ShmOffset);
        Assert.Equal(ConfigError.AllocationFailed, host.Config(ConfigOperation.AllocateMemory, handle, size: 1).Error);

        // A guest sees it all the same, and the next one must not see what this one writes there.
        arena.GetSpan(0, (int)arena.Length).Fill(0xA5);
        await Patience.Await(host.ReplaceDriver());
        Assert.Equal(-1, arena.GetSpan(0, (int)arena.Length).IndexOfAnyExcept((byte)0));

        arena.DiscardFails = true;
        arena.GetSpan(0, (int)arena.Length).Fill(0xA5);
        await Patience.Await(host.ReplaceDriver());
        Assert.Equal(-1, arena.GetSpan(0, (int)arena.Length).IndexOfAnyExcept((byte)0));
        Assert.Equal(ConfigError.AllocationFailed, host.Config(ConfigOperation.AllocateMemory, host.Open(), size: 1).Error);
    }

    [Fact]
    public void What_lies_outside_of_objects_is_discarded_although_a_callback_of_the_old_driver_hangs()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        var arena = new HeapArena(8 * 4096);
        using var host = new TestHost(
            new ScriptedDevice((in _) =>
            {
                started.Set();
                go.Wait();
                return 0;
            }),
            arena: arena);
        var handle = host.Open();
        var made = host.Allocate(handle);
        arena.GetSpan(0, (int)arena.Length).Fill(0xA5);
        host.Ping(handle, shmId: made.ShmId, size: 1);
        Patience.Wait(started, "the callback");

        var ended = host.ReplaceDriver();

        Assert.False(ended.IsCompleted);
        Assert.Equal(-1, arena.GetSpan(4096, 7 * 4096).IndexOfAnyExcept((byte)0));
        go.Set();
    }
}
