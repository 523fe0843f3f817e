// write, read, poll and O_NONBLOCK.
using System.Runtime.InteropServices;
using TestDevice.Dependency;
using Virtio.Linux;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Driver)]
public sealed class ReadWriteTests : IDisposable
{
    private readonly RawInstance _instance = new(nonBlocking: true);

    public void Dispose() => _instance.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(39)]
    [InlineData(41)]
    [InlineData(119)]
    public void A_write_of_less_than_whole_structures_is_EINVAL(int length) =>
        Assert.Equal(Errno.EINVAL, RawInstance.ErrnoOf(() => _instance.File.Write(new byte[length])));

    [Fact]
    public void A_write_of_several_structures_is_so_many_pings_in_order()
    {
        Assert.Equal(3 * PingRequest.Length, _instance.Write(Echo(1), Echo(2), Echo(3)));

        Assert.Equal([1u, 2u, 3u], ReadAll(3));
    }

    [Fact]
    public void A_structure_with_reserved_bits_ends_a_write_before_it()
    {
        var bytes = MemoryMarshal.AsBytes<PingRequest>([Echo(1), Echo(2)]).ToArray();
        bytes[PingRequest.Length + 36] = 1;

        Assert.Equal(PingRequest.Length, _instance.File.Write(bytes));
        Assert.Equal(Errno.EINVAL, RawInstance.ErrnoOf(() => _instance.File.Write(bytes.AsSpan(PingRequest.Length))));
        Assert.Equal([1u], ReadAll(1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void A_read_of_less_than_an_event_is_EINVAL(int length) =>
        Assert.Equal(Errno.EINVAL, RawInstance.ErrnoOf(() => _instance.File.Read(new byte[length])));

    [Fact]
    public void A_read_returns_as_many_whole_events_as_fit()
    {
        using var other = Given.Device();
        _instance.Write(Echo(1), Echo(2), Echo(3), Given.Ping(TestOperation.Release, Gate(out var gate)));
        other.Ping(Given.Ping(TestOperation.Wait, gate), Given.Deadline());

        var bytes = new byte[11];
        Assert.Equal(8, _instance.File.Read(bytes));
        Assert.Equal([1u, 2u], MemoryMarshal.Cast<byte, uint>(bytes)[..2]);
        Assert.Equal(4, _instance.File.Read(bytes));
        Assert.Equal(3u, MemoryMarshal.Read<uint>(bytes));
    }

    [Fact]
    public void With_nothing_to_read_a_non_blocking_read_is_EAGAIN_and_poll_says_so()
    {
        Assert.Equal(Errno.EAGAIN, RawInstance.ErrnoOf(() => _instance.File.Read(new byte[4])));
        Assert.Equal(PollEvents.Out, _instance.Ready());

        _instance.Write(Echo(1));
        Assert.Equal(PollEvents.In, _instance.File.Poll(PollEvents.In, (int)Given.Patience.TotalMilliseconds));
        Assert.Equal(1u, _instance.Read());
        Assert.Equal(PollEvents.Out, _instance.Ready());
    }

    [Fact]
    public async Task A_blocking_read_waits_for_the_next_event()
    {
        using var blocking = new RawInstance();
        var reading = Given.Blocking(blocking.Read);

        blocking.Write(Echo(5));

        Assert.Equal(5u, await reading);
    }

    [Fact]
    public void Pings_that_ask_for_no_answer_get_none()
    {
        _instance.Write(Given.Ping(TestOperation.Echo, 1), Echo(2), Given.Ping(TestOperation.Echo, 3), Echo(4));

        Assert.Equal([2u, 4u], ReadAll(2));
        Assert.Equal(Errno.EAGAIN, RawInstance.ErrnoOf(() => _instance.File.Read(new byte[4])));
    }

    private static PingRequest Echo(uint number) => Given.Ping(TestOperation.Echo, number) with { Events = 1 };

    private static ulong Gate(out ulong gate) => gate = Given.Gate();

    private List<uint> ReadAll(int count)
    {
        var events = new List<uint>();
        while (events.Count < count)
        {
            Assert.Equal(PollEvents.In, _instance.File.Poll(PollEvents.In, (int)Given.Patience.TotalMilliseconds));
            events.Add(_instance.Read());
        }

        return events;
    }
}
