// The shared memory behind region 0: zero when new, given back when freed.
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class MemoryTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    private const int Size = 4 << 20;

    [Fact]
    public void Freed_memory_reads_zero_and_its_pages_are_given_back()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        var before = DaemonMemory.ArenaBytes(daemon.Daemon.Id);
        var shared = driver.Allocate(instance, Size);
        driver.Bytes(shared).Fill(0xAA);
        Assert.Equal(before + Size, DaemonMemory.ArenaBytes(daemon.Daemon.Id));

        driver.Do(ConfigOperation.FreeMemory, instance, shared.Id);

        Assert.Equal(before, DaemonMemory.ArenaBytes(daemon.Daemon.Id));
        Assert.Equal(-1, driver.Bytes(shared).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Memory_that_was_used_before_is_zero_for_the_next()
    {
        using var driver = daemon.Boot();
        var first = driver.Create();
        var used = driver.Allocate(first, Size);
        driver.Bytes(used).Fill(0xAA);
        driver.Do(ConfigOperation.DestroyInstance, first);

        var second = driver.Create();
        var shared = driver.Allocate(second, driver.Vm.ArenaLength);

        Assert.Equal(0u, shared.Offset);
        Assert.Equal(-1, driver.Vm.Window!.GetSpan(used.Offset, Size).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public async Task A_guest_that_goes_leaves_no_byte_to_the_next()
    {
        using (var driver = daemon.Boot())
        {
            driver.Bytes(driver.Allocate(driver.Create(), Size)).Fill(0xAA);

            // A guest can write to the region outside of any object, too.
            driver.Vm.Window!.GetSpan(512 << 20, Size).Fill(0xBB);
        }

        await daemon.Metrics.WaitForAsync("virtio_user_memory_bytes", 0);
        using var next = daemon.Boot();
        next.Ask(ConfigOperation.EnumerateDevices);
        Assert.Equal(-1, next.Vm.Window!.GetSpan(512 << 20, Size).IndexOfAnyExcept((byte)0));
        Assert.Equal(-1, next.Vm.Window!.GetSpan(0, Size).IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Memory_in_use_by_a_callback_stays_until_it_returns()
    {
        using var driver = daemon.Boot();
        var gate = Gates.New();
        var (instance, other) = (driver.Create(), driver.Create());
        var shared = driver.Allocate(instance, 4096);
        driver.Bytes(shared).Fill(0xCC);
        driver.Send(instance, TestOperation.Wait, gate, events: 1, shared);
        driver.Call(other, TestOperation.Echo);

        driver.Do(ConfigOperation.FreeMemory, instance, shared.Id);
        var second = driver.Allocate(other, 4096);

        Assert.NotEqual(shared.Offset, second.Offset);
        Assert.Equal(0xCC, driver.Bytes(shared)[0]);
        driver.Send(other, TestOperation.Release, gate, events: 0);
        Assert.Equal(new EventMessage(instance, 1), driver.NextEvent());
    }

    [Fact]
    public void A_driver_has_its_first_reply_only_when_the_guest_sees_the_memory()
    {
        using var mayMap = new ManualResetEventSlim();
        var mapped = false;
        using var driver = daemon.Boot(new VmOptions
        {
            BeforeMap = () =>
            {
                mayMap.Wait(Patience.Limit);
                Volatile.Write(ref mapped, true);
            },
        });
        driver.Vm.ConfigReplies.TryPost();
        driver.Vm.ConfigRequests.TrySend(new byte[ConfigMessage.Size]);
        mayMap.Set();

        driver.TakeReply();

        Assert.True(Volatile.Read(ref mapped));
    }

    /// <summary>QEMU does so when the table is full: with seven memory devices, for one.</summary>
    [Trait("Category", "Field")]
    [Fact]
    public async Task A_hypervisor_that_maps_the_arena_and_does_not_list_it_gets_answers_and_a_line_in_the_log()
    {
        using var driver = daemon.Boot(new VmOptions { ListsArena = false });
        var instance = driver.Create();

        Assert.Equal(4096u, driver.Call(instance, TestOperation.Length, shared: driver.Allocate(instance, 4096)));
        Assert.Contains("fewer memory devices", await daemon.Daemon.LineAsync("did not list it in its memory table"), StringComparison.Ordinal);
    }

    [Trait("Category", "Field")]
    [Fact]
    public async Task A_hypervisor_that_does_not_answer_the_request_to_map_is_named_in_the_log()
    {
        using var mayMap = new ManualResetEventSlim();
        using var driver = daemon.Boot(new VmOptions { BeforeMap = () => mayMap.Wait(Patience.Limit) });
        try
        {
            Assert.Contains("The guest's requests wait", await daemon.Daemon.LineAsync("does not see the arena after 5 s"), StringComparison.Ordinal);
        }
        finally
        {
            mayMap.Set();
        }

        Assert.Equal(1u, driver.Call(driver.Create(), TestOperation.Echo, 1));
    }

    [Fact]
    public void A_hypervisor_without_shared_memory_gets_answers_but_no_memory()
    {
        using var driver = daemon.Boot(new VmOptions { SharedMemory = false });
        var instance = driver.Create();

        Assert.Equal(3u, driver.Call(instance, TestOperation.Echo, 3));
        Assert.Equal(ConfigError.AllocationFailed, driver.Ask(ConfigOperation.AllocateMemory, instance, shmSize: 4096).Error);
    }
}
