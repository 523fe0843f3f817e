// Memory tables that would end the daemon, or use up what it has.
using TestDevice.Dependency;
using Virtio.Linux;
using Virtio.Tests;
using Virtio.VhostUser;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class HostileMemoryTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    private const ulong Size = 8 << 20, TiB = 1UL << 40, Page = 4096;

    [Fact]
    public void Huge_pages_that_do_not_exist_are_refused_and_the_daemon_lives()
    {
        using var file = Syscalls.NewMemFd("huge", Syscalls.AllowSealing | Syscalls.HugePages, Size, Seals.Shrink | Seals.Grow);
        AssertRefused(new FrontEndMemory(file, 0, 1UL << 41, 0, Size));
    }

    [Fact]
    public void Sparse_memory_cannot_use_up_the_address_space()
    {
        using var file = MemFd.Create("sparse", 16 * TiB);
        AssertRefused([.. Enumerable.Range(0, 8).Select(i => new FrontEndMemory(file, 0, (ulong)i * 16 * TiB, (ulong)i * 16 * TiB, 16 * TiB))]);
        AssertRefused(new FrontEndMemory(file, 0, 0, 0, TiB + Page));
    }

    [Theory]
    [InlineData((1UL << 62) + Page, Page)]
    [InlineData((1UL << 62) - (2 * Page), Page)]
    [InlineData((1UL << 61), Page)]
    [InlineData(0, (1UL << 62) + Page)]
    [InlineData(0, 1UL << 62)]
    [InlineData((1UL << 63) - Page, Page)]
    [InlineData(1UL << 63, Page)]
    [InlineData(ulong.MaxValue - Page + 1, Page)]
    [InlineData(0, ulong.MaxValue - Page + 1)]
    public void Numbers_without_sense_are_refused(ulong offset, ulong length)
    {
        using var file = MemFd.Create("endless", (ulong)long.MaxValue / Page * Page);
        AssertRefused(new FrontEndMemory(file, offset, 0, 0, length));
    }

    [Fact]
    public void Memory_that_is_shrunk_and_then_sealed_meanwhile_never_gets_in()
    {
        using var vm = daemon.Connect();
        var random = new Random(1);
        for (var i = 0; i < 500; i++)
        {
            using var file = MemFd.Create("race", Size, Seals.None);
            var attack = new Thread(() =>
            {
                Thread.SpinWait(random.Next(5000));
                Syscalls.Truncate(file, 0);
                Syscalls.TrySeal(file, Seals.Shrink);
            });
            attack.Start();
            Assert.Throws<VhostUserException>(() => vm.FrontEnd.SetMemoryTable([new FrontEndMemory(file, 0, 1UL << 41, 0, Size)]));
            attack.Join();
        }
    }

    private void AssertRefused(params FrontEndMemory[] table)
    {
        using var driver = daemon.Boot();
        Assert.Throws<VhostUserException>(() => driver.Vm.FrontEnd.SetMemoryTable(table));
        Assert.Equal(4u, driver.Call(driver.Create(), TestOperation.Echo, 4)); // on the same connection
    }
}
