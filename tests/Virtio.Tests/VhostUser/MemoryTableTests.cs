// Memory that changes while the device runs.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class MemoryTableTests
{
    private const string ExtraName = "extra-memory";
    private const ulong ExtraAddress = 1UL << 40, ExtraLength = 1 << 20;

    [Fact]
    public void Adding_and_keeping_memory_disturbs_no_queue_and_maps_nothing_twice()
    {
        using var guest = new Guest();
        using var extra = MemFd.Create(ExtraName, ExtraLength);
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        connection.Expect("started fresh", "queue 0 started", "queue 1 started");
        var extraRegion = new FrontEndMemory(extra, 0, ExtraAddress, 0x1000_0000, ExtraLength);
        for (var i = 0; i < 3; i++)
        {
            frontEnd.SetMemoryTable([extraRegion, guest.Region]);
            Assert.Equal((2, 1), (ProcessResources.CountMappings(Guest.MemoryName), ProcessResources.CountMappings(ExtraName)));
        }
        Assert.Empty(connection.Device.Events);
        Assert.True(connection.BackEnd.Memory.TryGetSpan(ExtraAddress + ExtraLength - 1, 1, out _));
        Assert.False(connection.BackEnd.Memory.TryGetSpan(ExtraAddress + ExtraLength - 1, 2, out _));

        frontEnd.SetMemoryTable([guest.Region]);
        connection.Expect("memory changing", "memory changed");
        Assert.Equal((2, 0), (ProcessResources.CountMappings(Guest.MemoryName), ProcessResources.CountMappings(ExtraName)));
        Assert.False(connection.BackEnd.Memory.TryGetSpan(ExtraAddress, 1, out _));
        Assert.Equal([7], guest.Echo(0, [7]));
    }

    [Fact]
    public void Rings_that_lose_their_memory_break_and_nothing_else_does()
    {
        using var guest = new Guest();
        using var extra = MemFd.Create(ExtraName, ExtraLength);
        using var error = EventFd.Create();
        using var connection = new Connection(new EchoDevice());
        using (var frontEnd = connection.Negotiate())
        {
            guest.Start(frontEnd);
            frontEnd.SetVringError(0, error);
            frontEnd.SetMemoryTable([new FrontEndMemory(extra, 0, ExtraAddress, 0x1000_0000, ExtraLength)]);
            guest.Kicks[0].Signal();
            Assert.True(error.Wait(Connection.Patience));
        }
        Assert.Null(connection.WaitForEnd());
    }

    [Fact]
    public void A_region_may_begin_anywhere_in_its_file()
    {
        using var guest = new Guest();
        using var file = MemFd.Create(ExtraName, 16384);
        using var mapping = Mapping.Map(file, 0, 16384);
        mapping.GetSpan(8192, 1)[0] = 42;
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        frontEnd.SetMemoryTable([guest.Region, new FrontEndMemory(file, 8192, ExtraAddress, 0x1000_0000, 4096)]);
        Assert.True(connection.BackEnd.Memory.TryGetSpan(ExtraAddress, 4096, out var bytes));
        Assert.Equal(42, bytes[0]);
    }

    [Fact]
    public void Memory_that_is_not_sealed_is_accepted_where_the_front_end_is_trusted()
    {
        using var file = MemFd.Create(ExtraName, ExtraLength, Seals.None);
        FrontEndMemory region = new(file, 0, ExtraAddress, 0x1000_0000, ExtraLength);
        using var strict = new Connection(new EchoDevice());
        using var refused = strict.Negotiate();
        Assert.Throws<VhostUserException>(() => refused.SetMemoryTable([region]));
        using var lenient = new Connection(new EchoDevice(), new BackEndOptions { TrustFrontEnd = true });
        using var accepted = lenient.Negotiate();
        accepted.SetMemoryTable([region]);
    }
}
