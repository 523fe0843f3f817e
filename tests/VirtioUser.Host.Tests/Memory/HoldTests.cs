// Bytes that a device keeps for longer than a ping.
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Memory;

public sealed class HoldTests : IDisposable
{
    private readonly HeapArena _arena = new(4 * 4096);
    private readonly List<HeldRange?> _held = [];
    private readonly TestHost _host;
    private Action? _onDispose;
    private InstanceContext? _context;

    public HoldTests() => _host = new TestHost(
        new ScriptedDevice(context =>
        {
            _context = context;
            return new ScriptedInstance(
                (in ping) =>
                {
                    _held.Add(context.TryHold(in ping));
                    return _held[^1] is null ? 0u : 1u;
                },
                () => _onDispose?.Invoke());
        }),
        arena: _arena);

    public void Dispose() => _host.Dispose();

    [Fact]
    public void Held_bytes_stay_the_devices_when_the_guest_frees_them_until_they_are_disposed_of()
    {
        var handle = _host.Open();
        var made = _host.Allocate(handle, 2 * 4096);
        Assert.Equal(1u, Hold(handle, made, offset: 100, size: 5000));
        var held = _held[0]!;
        Assert.Equal(5000u, held.Length);
        held.Bytes.Fill(7);
        Assert.Equal(7, _arena.GetSpan(made.ShmOffset + 5099, 1)[0]);
        Assert.Equal(0, _arena.GetSpan(made.ShmOffset + 5100, 1)[0]);

        Free(handle, made);
        var others = new[] { _host.Allocate(handle), _host.Allocate(handle) };
        Assert.Equal(ConfigError.AllocationFailed, _host.Config(ConfigOperation.AllocateMemory, handle, size: 1).Error);
        Assert.DoesNotContain(others, other => other.ShmOffset < made.ShmOffset + made.ShmSize && made.ShmOffset < other.ShmOffset + other.ShmSize);
        held.Slice(4999, 1)[0] = 8;
        using var stream = held.OpenStream(4998, 2);
        Assert.Equal((7, 8, -1), (stream.ReadByte(), stream.ReadByte(), stream.ReadByte()));

        held.Dispose();
        var again = _host.Allocate(handle, 2 * 4096);
        Assert.Equal(made.ShmOffset, again.ShmOffset);
        Assert.Equal(-1, _arena.GetSpan(again.ShmOffset, 2 * 4096).IndexOfAnyExcept((byte)0));
        Assert.Throws<ObjectDisposedException>(() => held.Bytes[0]);
        Assert.Throws<ObjectDisposedException>(() => stream.Seek(0, SeekOrigin.Begin) + stream.ReadByte());
    }

    [Fact]
    public async Task A_thread_of_the_device_writes_after_the_callback_and_then_says_so()
    {
        var handle = _host.Open();
        var made = _host.Allocate(handle);
        Hold(handle, made, 0, 4096);

        await Patience.Await(Task.Run(
            () =>
            {
                using var held = _held[0]!;
                held.Bytes.Fill(7);
                _context!.TrySendEvent(5);
            },
            TestContext.Current.CancellationToken));

        Assert.Equal([1u, 5u | Revents.Unsolicited], _host.Events.WaitFor(handle, 2));
        Assert.Equal(-1, _arena.GetSpan(made.ShmOffset, 4096).IndexOfAnyExcept((byte)7));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_end_of_an_instance_ends_its_holds_after_its_own_Dispose(bool driverGoes)
    {
        var handle = _host.Open();
        var made = _host.Allocate(handle);
        Hold(handle, made, 0, 4096);
        var filled = false;
        _onDispose = () =>
        {
            _held[0]!.Bytes.Fill(7);
            filled = true;
        };
        Free(handle, made);

        if (driverGoes)
        {
            await Patience.Await(_host.ReplaceDriver());
        }
        else
        {
            _host.Close(handle);
        }

        Assert.Throws<ObjectDisposedException>(() => _held[0]!.Bytes[0]);
        Assert.True(filled);
        _onDispose = null;
        _held[0]!.Dispose();
        _host.Allocate(_host.Open(), 4 * 4096);
        Assert.Equal(-1, _arena.GetSpan(0, 4 * 4096).IndexOfAnyExcept((byte)0));
    }

    /// <summary>A span that was taken before the end must lead to memory, whatever is in it by then.</summary>
    [Fact]
    public async Task The_arena_is_in_use_until_the_device_has_disposed_of_what_it_held()
    {
        var handle = _host.Open();
        Hold(handle, _host.Allocate(handle), 0, 4096);
        await Patience.Await(_host.ReplaceDriver());

        var unused = _host.Model.WhenMemoryUnusedAsync();
        Assert.False(unused.IsCompleted);

        _held[0]!.Dispose();
        await Patience.Await(unused);
    }

    [Fact]
    public void An_instance_that_failed_gives_its_holds_back()
    {
        HeldRange? held = null;
        using var host = new TestHost(
            new ScriptedDevice(context => new ScriptedInstance((in ping) =>
            {
                held = context.TryHold(in ping);
                throw new InvalidOperationException("on purpose");
            })),
            arena: _arena);
        var handle = host.Open();
        var made = host.Allocate(handle, 4 * 4096);
        host.Ping(handle, events: 1, shmId: made.ShmId, size: 1);
        host.Events.WaitFor(handle, 2); // the answer and the notice
        host.Config(ConfigOperation.FreeMemory, handle, made.ShmId);
        host.WaitForUse(instances: 1, objects: 0, references: 0, pings: 0);

        Assert.Throws<ObjectDisposedException>(() => held!.Bytes[0]);
    }

    [Fact]
    public void Another_instance_that_holds_the_same_bytes_keeps_them()
    {
        var (first, second) = (_host.Open(), _host.Open());
        var made = _host.Allocate(first);
        _host.Config(ConfigOperation.ExportMemory, first, made.ShmId);
        _host.Config(ConfigOperation.ImportMemory, second, made.ShmId);
        Hold(first, made, 0, 4096);
        Hold(second, made, 0, 4096);

        _host.Close(first);
        Free(second, made);

        Assert.Throws<ObjectDisposedException>(() => _held[0]!.Bytes[0]);
        Assert.Equal(0, _held[1]!.Bytes[0]);
        Assert.Equal(ConfigError.AllocationFailed, _host.Config(ConfigOperation.AllocateMemory, second, size: 4 * 4096).Error);
        _held[1]!.Dispose();
        _host.Allocate(second, 4 * 4096);
    }

    [Fact]
    public void A_ping_without_bytes_and_the_sixtyfifth_hold_are_refused()
    {
        var handle = _host.Open();
        var made = _host.Allocate(handle);
        Assert.Equal(0u, Hold(handle, made, 4096, 0));
        _host.Ping(handle, events: 1);
        Assert.Equal(0u, _host.Events.WaitFor(handle, 2)[1]);
        _held.Clear();

        for (var i = 0; i < 65; i++)
        {
            Hold(handle, made, 0, 1);
        }

        Assert.All(_held[..64], Assert.NotNull);
        Assert.Null(_held[64]);

        for (var i = 0; i < 100; i++)
        {
            _held[9]!.Dispose(); // counts once: the object is there
        }

        Assert.Equal(1u, Hold(handle, made, 0, 1));
        Assert.Equal(0u, Hold(handle, made, 0, 1));
    }

    [Fact]
    public void An_object_that_the_guest_frees_during_the_callback_can_not_be_held()
    {
        using var started = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(new ScriptedDevice(context => new ScriptedInstance((in ping) =>
        {
            started.Set();
            go.Wait();
            return context.TryHold(in ping) is null ? 1u : 2u;
        })));
        var handle = host.Open();
        var made = host.Allocate(handle);
        host.Ping(handle, events: 1, shmId: made.ShmId, size: 1);
        Patience.Wait(started, "the callback");

        host.Config(ConfigOperation.FreeMemory, handle, made.ShmId);
        go.Set();

        Assert.Equal([1u], host.Events.WaitFor(handle, 1));
        host.WaitForUse(instances: 1, objects: 0, references: 0, pings: 0);
    }

    [Fact]
    public async Task Holds_that_are_disposed_of_while_the_instance_ends_are_given_back_once()
    {
        for (var round = 0; round < 200; round++)
        {
            var handle = _host.Open();
            var made = _host.Allocate(handle, 4 * 4096);
            _held.Clear();
            for (var i = 0; i < 8; i++)
            {
                Hold(handle, made, 0, 1);
            }

            var disposing = Task.Run(() => _held.ForEach(held => held!.Dispose()), TestContext.Current.CancellationToken);
            _host.Close(handle);
            await Patience.Await(disposing);

            _host.WaitForUse(instances: 0, objects: 0, references: 0, pings: 0);
        }
    }

    private uint Hold(ulong handle, ConfigMessage made, ulong offset, ulong size)
    {
        var before = _host.Events.Of(handle).Count;
        _host.Ping(handle, events: 1, shmId: made.ShmId, offset: offset, size: size);
        return _host.Events.WaitFor(handle, before + 1)[before];
    }

    private void Free(ulong handle, ConfigMessage made) => Assert.Equal(ConfigError.None, _host.Config(ConfigOperation.FreeMemory, handle, made.ShmId).Error);
}
