// A ring that stops for a new kick descriptor and cannot start again.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class RestartTests
{
    [Fact]
    public void The_last_ring_that_cannot_start_again_stops_the_device()
    {
        using var guest = new Guest();
        using var elsewhere = MemFd.Create("elsewhere", 4096);
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        connection.ExpectAtLast("queue 1 started");
        frontEnd.GetVringBase(1);
        connection.Expect("queue 1 stopped");

        frontEnd.SetMemoryTable([new FrontEndMemory(elsewhere, 0, 0, 0, 4096)]);
        connection.Expect("memory changing", "memory changed");
        Assert.NotEqual(0UL, Kick(connection, guest, 0));
        connection.Expect("queue 0 stopped");
        connection.ExpectAtLast("stopped");

        frontEnd.GetVringBase(0);
        // Features may change again, and the next driver starts the device anew.
        frontEnd.SetFeatures(VirtioFeatures.Version1 | VirtioFeatures.ProtocolFeatures);
        guest.Start(frontEnd);
        connection.ExpectAtLast("started fresh");
        connection.Expect("queue 0 started", "queue 1 started");
    }

    [Fact]
    public void A_ring_that_cannot_start_again_beside_one_that_runs_does_not_stop_the_device()
    {
        using var guest = new Guest();
        using var elsewhere = MemFd.Create("elsewhere", 4096);
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        connection.ExpectAtLast("queue 1 started");
        frontEnd.SetMemoryTable([new FrontEndMemory(elsewhere, 0, 0, 0, 4096)]);
        Assert.NotEqual(0UL, Kick(connection, guest, 0));
        connection.ExpectAtLast("queue 0 stopped");
        Assert.StartsWith("refused: Ring 0 cannot start", connection.NextEvent(), StringComparison.Ordinal);
        frontEnd.GetVringBase(1);
        connection.Expect("queue 1 stopped", "stopped");
    }

    private static ulong Kick(Connection connection, Guest guest, int index) =>
        new RawFrontEnd(connection.Socket).Tell(FrontEndRequest.SetVringKick, BitConverter.GetBytes((ulong)index), guest.Kicks[index].Descriptor);
}
