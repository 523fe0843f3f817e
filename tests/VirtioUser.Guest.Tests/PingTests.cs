// Pings through the library, on the real device.
using TestDevice.Dependency;
using Virtio.Linux;
using Xunit;

namespace VirtioUser.Guest.Tests;

public class PingTests
{
    [Fact]
    public void The_device_gets_metadata_events_and_length_as_sent()
    {
        using var device = Given.Device();
        using var memory = device.Allocate(8192);

        Assert.Equal(0x3FFF_FFFFu, device.Ping(Given.Ping(TestOperation.Echo, 0x3FFF_FFFF), Given.Deadline()));
        Assert.Equal(5u, device.Ping(Given.Ping(TestOperation.EchoEvents) with { Events = 5 }, Given.Deadline()));
        Assert.Equal(0u, device.Ping(Given.Ping(TestOperation.Length), Given.Deadline()));
        Assert.Equal(8192u, device.Ping(Given.Ping(memory, TestOperation.Length), Given.Deadline()));
        Assert.Equal(0u, device.Ping(new PingRequest(memory, 8192, 0, TestDevices.Metadata(TestOperation.Length)), Given.Deadline()));
    }

    [Fact]
    public void A_device_can_not_set_the_bits_that_are_not_its_own()
    {
        using var device = Given.Device();

        Assert.Equal(0u, device.Ping(Given.Ping(TestOperation.Echo, 0xC000_0000), Given.Deadline()));
    }

    [Fact]
    public void Many_pings_at_once_are_answered_in_order()
    {
        using var device = Given.Device();
        var requests = Enumerable.Range(0, 1000).Select(i => Given.Ping(TestOperation.Echo, (ulong)i)).ToArray();
        var answers = new uint[requests.Length];

        device.Ping(requests, answers, Given.Deadline());

        Assert.Equal(Enumerable.Range(0, 1000).Select(i => (uint)i), answers);
    }

    [Fact]
    public async Task Threads_and_tasks_share_an_instance_and_each_gets_its_own_answers()
    {
        using var device = Given.Device();
        var deadline = Given.Deadline();

        var threads = Enumerable.Range(0, 3).Select(thread => Given.Blocking(() =>
        {
            for (var i = 0; i < 200; i++)
            {
                Assert.Equal((uint)((thread << 16) | i), device.Ping(Given.Ping(TestOperation.Echo, (uint)((thread << 16) | i)), deadline));
            }

            return true;
        }));
        var tasks = Enumerable.Range(3, 3).Select(async task =>
        {
            for (var i = 0; i < 200; i++)
            {
                Assert.Equal((uint)((task << 16) | i), await device.PingAsync(Given.Ping(TestOperation.Echo, (uint)((task << 16) | i)), deadline));
            }

            return true;
        });
        await Task.WhenAll(threads.Concat(tasks));

        Assert.Equal(1201u, device.Ping(Given.Ping(TestOperation.Count), deadline));
    }

    [Fact]
    public void Pings_are_done_in_order_with_and_without_answers()
    {
        using var device = Given.Device();
        for (uint i = 0; i < 300; i += 3)
        {
            device.Send([Given.Ping(TestOperation.Echo), Given.Ping(TestOperation.Echo)], Given.Deadline());
            Assert.Equal(i + 3, device.Ping(Given.Ping(TestOperation.Count), Given.Deadline()));
        }
    }

    [Fact]
    public async Task A_cancelled_ping_is_done_all_the_same_and_its_answer_confuses_nobody()
    {
        using var device = Given.Device();
        using var other = Given.Device();
        using var cancellation = new CancellationTokenSource();
        var gate = Given.Gate();
        device.Send(Given.Ping(TestOperation.Wait, gate), Given.Deadline());
        var waiting = Given.Blocking(() => device.Ping(Given.Ping(TestOperation.Echo, 1), cancellation.Token));
        var asynchronous = device.PingAsync(Given.Ping(TestOperation.Echo, 1), cancellation.Token);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asynchronous);
        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());

        Assert.Equal(2u, device.Ping(Given.Ping(TestOperation.Echo, 2), Given.Deadline()));
    }

    [Fact]
    public async Task Dispose_ends_the_calls_that_wait()
    {
        using var other = Given.Device();
        var device = Given.Device();
        var gate = Given.Gate();
        device.Send(Given.Ping(TestOperation.Wait, gate), Given.Deadline());
        var waiting = Given.Blocking(() => device.Ping(Given.Ping(TestOperation.Echo)));
        var reading = Given.Blocking(() => device.ReadEvent());
        var asynchronous = device.PingAsync(Given.Ping(TestOperation.Echo), Given.Deadline());

        device.Dispose();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => reading);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => asynchronous);
        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());
    }

    [Fact]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "xUnit1051", Justification = "A token that can be cancelled allocates.")]
    public void A_ping_allocates_no_memory()
    {
        using var device = Given.Device();
        device.Ping(Given.Ping(TestOperation.Echo, 1));

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (uint i = 0; i < 100; i++)
        {
            device.Ping(Given.Ping(TestOperation.Echo, i));
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void An_instance_has_the_version_that_it_was_opened_with()
    {
        using var device = Given.Device(TestDevices.ManyVersions);

        Assert.Equal(4u, device.Identity.Version);
        Assert.Equal(4u, device.Ping(Given.Ping(TestOperation.Version), Given.Deadline()));
    }

    [Theory]
    [InlineData(4u, 5u, 4u, 2u)]
    [InlineData(3u, 1u, 3u, 2u)]
    [InlineData(2u, 2u)]
    public void A_program_gets_the_newest_version_that_it_speaks(uint expected, params uint[] spoken)
    {
        using var device = VirtioUserDevice.Open(TestDevices.Vendor, TestDevices.ManyVersions, spoken);

        Assert.Equal(expected, device.Identity.Version);
        Assert.Equal(expected, device.Ping(Given.Ping(TestOperation.Version), Given.Deadline()));
    }

    [Fact]
    public void A_program_that_shares_no_version_with_the_device_is_told_both()
    {
        var exception = Assert.Throws<VirtioUserException>(() => VirtioUserDevice.Open(TestDevices.Vendor, TestDevices.ManyVersions, [1, 5]));

        Assert.Equal(Errno.ENOTSUP, exception.Errno);
        Assert.EndsWith("the program speaks versions 1, 5, the host has only 2, 3, 4", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Two_device_assemblies_have_each_its_own_version_of_a_dependency()
    {
        using var first = Given.Device(TestDevices.Test);
        using var second = Given.Device(TestDevices.Second);

        Assert.Equal(1u, first.Ping(Given.Ping(TestOperation.DependencyVersion), Given.Deadline()));
        Assert.Equal(2u, second.Ping(Given.Ping(TestOperation.DependencyVersion), Given.Deadline()));
    }

    [Fact]
    public void A_device_that_makes_much_garbage_keeps_its_bytes()
    {
        using var device = Given.Device();
        using var memory = device.Allocate(1 << 20);
        Pattern.Fill(memory.Span, 9);
        var sum = Pattern.Checksum(memory.Span);

        Assert.Equal(1u, device.Ping(Given.Ping(TestOperation.Garbage, 64), Given.Deadline()));
        Assert.Equal(sum, device.Ping(Given.Ping(memory, TestOperation.Checksum), Given.Deadline()));
    }
}
