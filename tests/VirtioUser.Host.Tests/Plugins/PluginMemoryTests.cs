// Ends of mappings that the system refuses.
using VirtioUser.Host.Instances;
using VirtioUser.Host.Memory;
using VirtioUser.Host.Plugins;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Plugins;

public sealed class PluginMemoryTests : IDisposable
{
    private readonly TestLog _log = new();
    private readonly Platform _platform = new();
    private readonly HeapArena _arena = new(4096);
    private readonly GuestLog _guestLog;
    private readonly ObjectTable _objects;
    private readonly PluginMemory _memory;
    private ulong _lastHandle;
    private ulong _arenaAddress = 1ul << 33;

    public PluginMemoryTests()
    {
        _guestLog = new GuestLog(_log);
        _objects = new ObjectTable(_arena, new HostCounters(), _guestLog);
        _memory = new PluginMemory(_platform, ScriptedDevice.Default, _objects, new ArenaAddress(() => _arenaAddress), _guestLog);
    }

    public void Dispose() => _guestLog.Dispose();

    [Fact]
    public void A_mapping_that_could_not_end_keeps_its_range_and_ends_with_the_next_instance()
    {
        var (instance, next) = (Begin(), Begin());
        var shared = _objects.Allocate(4096, 4096, out _)!;
        Assert.True(instance.TryAddReference(shared));
        Assert.True(_memory.Map(_arenaAddress + shared.Offset, 0x1000, 4096));

        _platform.Fails = true;
        End(instance);
        Assert.Contains(_log.Lines, line => line.Contains("can not unmap", StringComparison.Ordinal) && line.Contains("no memory today", StringComparison.Ordinal));
        Assert.Empty(_arena.Discarded);
        Assert.Null(_objects.Allocate(4096, 4096, out _));

        _platform.Fails = false;
        End(next);
        Assert.Equal(1, _platform.Restored);
        Assert.NotNull(_objects.Allocate(4096, 4096, out _));
    }

    [Fact]
    public void A_mapping_that_could_not_end_can_be_unmapped()
    {
        var instance = Begin();
        var shared = _objects.Allocate(4096, 4096, out _)!;
        Assert.True(instance.TryAddReference(shared));
        Assert.True(_memory.Map(_arenaAddress + shared.Offset, 0x1000, 4096));

        _platform.Fails = true;
        Assert.False(_memory.Unmap(_arenaAddress + shared.Offset, 4096));
        _platform.Fails = false;
        Assert.True(_memory.Unmap(_arenaAddress + shared.Offset, 4096));
        Assert.False(_memory.Unmap(_arenaAddress + shared.Offset, 4096));

        Assert.Equal(1, _platform.Restored);
        End(instance);
        Assert.NotNull(_objects.Allocate(4096, 4096, out _));
    }

    [Fact]
    public void A_range_that_could_not_be_mapped_is_free_when_the_object_is()
    {
        var instance = Begin();
        var shared = _objects.Allocate(4096, 4096, out _)!;
        Assert.True(instance.TryAddReference(shared));

        _platform.Fails = true;
        Assert.False(_memory.Map(_arenaAddress + shared.Offset, 0x1000, 4096));
        End(instance);

        Assert.NotNull(_objects.Allocate(4096, 4096, out _));
    }

    [Fact]
    public void Nothing_is_mapped_or_held_while_the_guest_does_not_see_the_arena_or_before_its_beginning()
    {
        var holds = new PluginHolds(_platform, ScriptedDevice.Default, _objects, new ArenaAddress(() => _arenaAddress), _guestLog);
        var instance = Begin();
        var shared = _objects.Allocate(4096, 4096, out _)!;
        Assert.True(instance.TryAddReference(shared));
        var seen = _arenaAddress + shared.Offset;

        foreach (var hidden in new[] { 0ul, seen + 4096 })
        {
            _arenaAddress = hidden;
            foreach (var address in new[] { shared.Offset, seen, 0ul, hidden - 4096 })
            {
                Assert.False(_memory.Map(address, 0x1000, 4096));
                Assert.Equal(0, holds.Hold(instance.Handle, instance, address, 4096));
            }
        }

        Assert.Contains(_log.Lines, line => line.Contains("does not see", StringComparison.Ordinal));
        Assert.Empty(instance.Holds.End());
        _arenaAddress = seen - shared.Offset;
        Assert.True(_memory.Map(seen, 0x1000, 4096));
    }

    private Instance Begin()
    {
        var instance = new Instance(++_lastHandle, ScriptedDevice.Default);
        _memory.BeginInstance(instance);
        return instance;
    }

    private void End(Instance instance)
    {
        _memory.EndInstance(instance.Handle);
        foreach (var shared in instance.TakeAllReferences())
        {
            _objects.Drop(shared);
        }
    }

    private sealed class Platform : IPluginPlatform, IPluginPages
    {
        public bool Fails { get; set; }

        public int Restored { get; private set; }

        public nint GetAddress(ulong arenaOffset) => 0;

        public IPluginPages Replace(nint address, ulong length, ulong arenaOffset)
        {
            ThrowIfFails();
            return this;
        }

        public bool Restore()
        {
            ThrowIfFails();
            Restored++;
            return true;
        }

        public bool AreShownElsewhere() => false;

        private void ThrowIfFails()
        {
            if (Fails)
            {
                throw new IOException("There is no memory today.");
            }
        }
    }
}
