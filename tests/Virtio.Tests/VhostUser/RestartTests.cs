// Rings that stop and start again: which cannot, and who it is that starts them.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public sealed class RestartTests : IDisposable
{
    private readonly Guest _guest = new();
    private readonly FileDescriptor _elsewhere = MemFd.Create("elsewhere", 4096);
    private readonly Connection _connection = new(new EchoDevice());
    private readonly FrontEnd _frontEnd;

    public RestartTests()
    {
        _frontEnd = _connection.Negotiate();
        _guest.Start(_frontEnd);
        _connection.ExpectAtLast("queue 1 started");
    }

    /// <summary>Which queues the former driver used, and which one starts first.</summary>
    public static TheoryData<int[], int[]> Starts => new()
    {
        { [0, 1], [0, 1] }, { [0, 1], [1, 0] }, { [0], [0, 1] }, { [0], [1, 0] }, { [1], [0, 1] }, { [1], [1, 0] },
    };

    [Fact]
    public void The_last_ring_that_cannot_start_again_stops_the_device()
    {
        _frontEnd.GetVringBase(1);
        _connection.Expect("queue 1 stopped");

        _frontEnd.SetMemoryTable([new FrontEndMemory(_elsewhere, 0, 0, 0, 4096)]);
        _connection.Expect("memory changing", "memory changed");
        Assert.NotEqual(0UL, Kick(0));
        _connection.Expect("queue 0 stopped");
        _connection.ExpectAtLast("stopped");

        _frontEnd.GetVringBase(0);
        // Features may change again, and the next driver starts the device anew.
        _frontEnd.SetFeatures(VirtioFeatures.Version1 | VirtioFeatures.ProtocolFeatures);
        _guest.Start(_frontEnd);
        _connection.ExpectAtLast("started fresh");
        _connection.Expect("queue 0 started", "queue 1 started");
    }

    [Fact]
    public void A_ring_that_cannot_start_again_beside_one_that_runs_does_not_stop_the_device()
    {
        _frontEnd.SetMemoryTable([new FrontEndMemory(_elsewhere, 0, 0, 0, 4096)]);
        Assert.NotEqual(0UL, Kick(0));
        _connection.ExpectAtLast("queue 0 stopped");
        Assert.StartsWith("refused: Ring 0 cannot start", _connection.NextEvent(), StringComparison.Ordinal);
        _frontEnd.GetVringBase(1);
        _connection.Expect("queue 1 stopped", "stopped");
    }

    [Theory]
    [MemberData(nameof(Starts))]
    public void A_new_driver_whose_rings_start_one_by_one_is_a_new_one(int[] used, int[] order)
    {
        Use(_guest, used);
        Guest.Stop(_frontEnd);

        using var next = new Guest();
        StartOneByOne(next, order, [0, 0]);
        Use(next, order);
        Assert.Equal("started fresh", TakeStarts()[^1]);
    }

    [Theory]
    [MemberData(nameof(Starts))]
    public void A_vm_that_goes_on_ring_by_ring_is_the_same_one(int[] used, int[] order)
    {
        Use(_guest, used);
        var bases = Guest.Stop(_frontEnd);

        StartOneByOne(_guest, order, bases);
        Use(_guest, order);
        Assert.Equal(["started again"], TakeStarts());
    }

    public void Dispose()
    {
        _frontEnd.Dispose();
        _connection.Dispose();
        _elsewhere.Dispose();
        _guest.Dispose();
    }

    private static void Use(Guest guest, int[] queues)
    {
        foreach (var queue in queues)
        {
            Assert.Equal([1, 2, 3], guest.Echo(queue, [1, 2, 3]));
        }
    }

    /// <summary>Each ring runs before the next one is set up, as all are enabled already.</summary>
    private void StartOneByOne(Guest guest, int[] order, ushort[] bases)
    {
        _frontEnd.SetMemoryTable([guest.Region]);
        foreach (var queue in order)
        {
            _frontEnd.SetVringEnable(queue, true);
        }

        foreach (var queue in order)
        {
            _frontEnd.SetVring(queue, Guest.UserLayout(queue), bases[queue]);
            _frontEnd.SetVringCall(queue, guest.Calls[queue]);
            _frontEnd.SetVringKick(queue, guest.Kicks[queue]);
        }
    }

    /// <summary>How the device has started since it stopped. Each message was answered, so all of it has happened.</summary>
    private List<string> TakeStarts()
    {
        List<string> starts = [];
        while (_connection.Device.Events.TryTake(out var happened))
        {
            if (happened.StartsWith("started", StringComparison.Ordinal))
            {
                starts.Add(happened);
            }
        }

        return starts;
    }

    private ulong Kick(int index) =>
        new RawFrontEnd(_connection.Socket).Tell(FrontEndRequest.SetVringKick, BitConverter.GetBytes((ulong)index), _guest.Kicks[index].Descriptor);
}
