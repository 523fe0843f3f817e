// PING that waits for its answer.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Driver)]
public sealed class WaitingPingTests : IDisposable
{
    private const int IoctlNumber = 16;

    private readonly RawInstance _instance = new();

    public void Dispose() => _instance.Dispose();

    [Fact]
    public void The_answer_comes_in_the_call_and_cannot_be_read_as_well()
    {
        var inCall = DriverAttributes.Statistic("answers_in_call");
        uint answer;
        uint number = 0;
        // A host that is busy may take its time.
        while (!_instance.Call(Given.Ping(TestOperation.Echo, ++number), DriverInterface.LongestWait, out answer))
        {
            Assert.Equal(number, _instance.Read());
        }

        Assert.Equal(number, answer);
        Assert.Equal(PollEvents.Out, _instance.Ready());
        Assert.Equal(inCall + 1, DriverAttributes.Statistic("answers_in_call"));
    }

    [Fact]
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Usage", "xUnit1051", Justification = "A token that can be cancelled needs calls of its own.")]
    public void A_ping_through_the_library_is_one_system_call()
    {
        using var device = Given.Device();
        for (uint i = 0; i < 1000; i++)
        {
            device.Ping(Given.Ping(TestOperation.Echo, i));
        }

        // Now and then the runtime, or a busy host, has the thread do something else.
        var deadline = Given.Deadline();
        SystemCall[] calls;
        do
        {
            deadline.ThrowIfCancellationRequested();
            calls = [.. SystemCall.Trace(() =>
            {
                for (uint i = 0; i < 20; i++) { device.Ping(Given.Ping(TestOperation.Echo, i)); } })];
            // What is before and behind the pings switches the trace.
            calls = [.. calls.SkipWhile(call => !IsPing(call)).Reverse().SkipWhile(call => !IsPing(call))];
        }
        while (calls.Length != 20 || !Array.TrueForAll(calls, IsPing));

        static bool IsPing(SystemCall call) => call is { Number: IoctlNumber, SecondArgument: DriverInterface.Ping };
    }

    [Fact]
    public async Task Callers_get_their_own_answers_and_readers_get_the_rest()
    {
        const uint Each = 300;
        var late = 0;
        var callers = Enumerable.Range(1, 3).Select(caller => Given.Blocking(() =>
        {
            for (uint i = 0; i < Each; i++)
            {
                var number = ((uint)caller << 16) | i;
                if (_instance.Call(Given.Ping(TestOperation.Echo, number), DriverInterface.LongestWait, out var answer))
                {
                    Assert.Equal(number, answer);
                }
                else
                {
                    Interlocked.Increment(ref late);
                }
            }

            return true;
        })).ToArray();
        var read = await Given.Blocking(() =>
        {
            List<uint> answers = [];
            for (uint i = 0; i < Each; i++)
            {
                _instance.Write(Given.Ping(TestOperation.Echo, i) with { Events = 1 });
                answers.Add(_instance.Read());
            }

            return answers;
        });
        await Task.WhenAll(callers);
        for (var i = 0; i < late; i++)
        {
            read.Add(_instance.Read());
        }

        Assert.Equal(Enumerable.Range(0, (int)Each).Select(i => (uint)i), read.Where(answer => answer < Each));
        Assert.Equal(Each + late, read.Count);
        Assert.Equal(PollEvents.Out, _instance.Ready());
    }

    [Fact]
    public void Events_that_the_device_sends_on_its_own_go_to_the_readers()
    {
        Assert.Equal(1u, _instance.Call(Given.Ping(TestOperation.RaiseEvents, 100)));
        // Any of these may come late, and is read behind events then.
        List<uint> seen = [];
        for (uint i = 0; i < 50; i++)
        {
            if (!_instance.Call(Given.Ping(TestOperation.Echo, 1000 + i), DriverInterface.LongestWait, out var answer))
            {
                continue;
            }

            Assert.Equal(1000 + i, answer);
            seen.Add(answer);
        }

        while (seen.Count < 150)
        {
            seen.Add(_instance.Read());
        }

        Assert.Equal(Enumerable.Range(1, 100).Select(i => Given.OwnEvent((uint)i)), seen.Where(each => each > 2000));
        Assert.Equal(Enumerable.Range(1000, 50).Select(i => (uint)i), seen.Where(each => each < 2000).Order());
    }

    [Fact]
    public void An_answer_that_takes_longer_is_read_in_its_turn()
    {
        using var other = Given.Device();
        var gate = Given.Gate();
        _instance.Write(Given.Ping(TestOperation.Wait, gate));

        Assert.False(_instance.Call(Given.Ping(TestOperation.Echo, 1), 1, out _));
        _instance.Write(Given.Ping(TestOperation.Echo, 2) with { Events = 1 });
        Assert.False(_instance.Call(Given.Ping(TestOperation.Echo, 3), 1000, out var untouched));
        Assert.Equal(1u, untouched);
        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());

        Assert.Equal([1u, 2u, 3u], [_instance.Read(), _instance.Read(), _instance.Read()]);
        Assert.Equal(4u, _instance.Call(Given.Ping(TestOperation.Echo, 4)));
    }

    [Fact]
    public async Task A_caller_does_not_get_the_late_answer_of_one_before_it()
    {
        using var other = Given.Device();
        var deadline = Given.Deadline();
        uint answer;
        bool inCall;
        do
        {
            deadline.ThrowIfCancellationRequested();
            var gate = Given.Gate();
            _instance.Write(Given.Ping(TestOperation.Wait, gate));
            Assert.False(_instance.Call(Given.Ping(TestOperation.Echo, 1), 1, out _));
            var calling = Given.Blocking(() => (_instance.Call(Given.Ping(TestOperation.Echo, 2), DriverInterface.LongestWait, out var second), second));
            other.Ping(Given.Ping(TestOperation.Release, gate), deadline);

            (inCall, answer) = await calling;
            Assert.Equal(1u, _instance.Read());
            if (!inCall)
            {
                Assert.Equal(2u, _instance.Read());
            }
        }
        while (!inCall);

        Assert.Equal(2u, answer);
        Assert.Equal(PollEvents.Out, _instance.Ready());
    }

    [Fact]
    public void Signals_end_the_wait_and_each_ping_is_sent_once()
    {
        const ulong Calls = 50;
        using var other = Given.Device();
        var gate = Given.Gate();
        using var child = Child.Start("call-among-signals", gate, Calls);

        Assert.Equal("0 answered", child.ReadLine());
        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());

        // The first ping of the instance was the one that waits.
        for (ulong i = 0; i < Calls; i++)
        {
            Assert.Equal($"{i + 2}", child.ReadLine());
        }

        Assert.Equal(0, child.WaitForExit());
    }

    [Fact]
    public void A_ping_that_fails_is_answered_in_the_call_and_then_there_is_EIO()
    {
        var held = _instance.Allocate(4096);
        var outside = PingRequest.Unchecked(TestDevices.Metadata(TestOperation.Length), held.Id, 4096, 1);

        Assert.Equal(0x8000_0001u, _instance.Call(outside));
        Assert.Equal(4096u, _instance.Call(PingRequest.Unchecked(TestDevices.Metadata(TestOperation.Length), held.Id, 0, 4096)));
        Assert.Equal(0x8000_0000u, _instance.Call(Given.Ping(TestOperation.Throw)));
        // The host's notice comes behind the answer.
        Assert.Equal(Errno.EIO, RawInstance.ErrnoOf(() => _instance.Read()));
        Assert.Equal(Errno.EIO, RawInstance.ErrnoOf(() => _instance.Call(Given.Ping(TestOperation.Echo))));
    }

    [Fact]
    public async Task An_instance_that_ends_ends_the_waits()
    {
        using var other = Given.Device();
        var gate = Given.Gate();
        _instance.Write(Given.Ping(TestOperation.Wait, gate), Given.Ping(TestOperation.Throw));
        var calling = Given.Blocking(() =>
        {
            var exception = Record.Exception(() => { Assert.Equal(0x8000_0001u, _instance.Call(Given.Ping(TestOperation.Echo))); });
            // The notice that the instance has ended may overtake the last answer.
            return exception is null ? Errno.EIO : Assert.IsType<LinuxException>(exception).Errno;
        });
        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());

        Assert.Equal(Errno.EIO, await calling);
    }

    [Fact]
    public void A_full_instance_is_EAGAIN_for_a_non_blocking_caller()
    {
        using var full = new RawInstance(nonBlocking: true);
        using var other = Given.Device();
        var gate = Given.Gate();
        Assert.True(full.TryWrite(Given.Ping(TestOperation.Wait, gate)));
        uint sent = 0;
        Assert.Equal(Errno.EAGAIN, RawInstance.ErrnoOf(() =>
        {
            for (; sent < 5000; sent++)
            {
                Assert.False(full.Call(Given.Ping(TestOperation.Echo, sent), 1, out _));
            }
        }));

        other.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());
        for (uint i = 0; i < sent; i++)
        {
            Assert.Equal(PollEvents.In, full.File.Poll(PollEvents.In, (int)Given.Patience.TotalMilliseconds));
            Assert.Equal(i, full.Read());
        }
    }

    [Fact]
    public void Waiting_is_for_an_answer_and_up_to_a_second_and_not_for_write()
    {
        var ping = Given.Ping(TestOperation.Echo, 1);
        Assert.Equal(Errno.EINVAL, ErrnoOf(ping with { WaitMicroseconds = 1 }));
        Assert.Equal(Errno.EINVAL, ErrnoOf(ping with { Events = 1, WaitMicroseconds = DriverInterface.LongestWait + 1 }));
        Assert.Equal(Errno.EINVAL, ErrnoOf(ping with { Events = 1, WaitMicroseconds = uint.MaxValue }));
        Assert.Equal(Errno.EINVAL, RawInstance.ErrnoOf(() => _instance.Write(ping with { Events = 1, WaitMicroseconds = 1 })));

        // None of them was sent.
        Assert.Equal(1u, _instance.Call(Given.Ping(TestOperation.Count)));
    }

    private Errno ErrnoOf(PingRequest ping) => RawInstance.ErrnoOf(() => _instance.File.Ioctl(DriverInterface.Ping, ref ping));
}
