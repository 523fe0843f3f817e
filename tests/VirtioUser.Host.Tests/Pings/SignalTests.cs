// When the guest is told of answers.
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Pings;

public class SignalTests
{
    [Fact]
    public void An_answer_does_not_wait_for_a_callback_behind_it_that_hangs()
    {
        using var go = new ManualResetEventSlim();
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) =>
        {
            if (ping.Metadata == 1)
            {
                go.Wait();
            }

            return 1;
        })));
        var (quick, hangs) = (host.Open(), host.Open());
        host.Detach();
        host.Ping(quick, events: 1);
        host.Ping(hangs, 1, events: 1);

        host.Attach();

        Assert.Equal([1u], host.Events.WaitFor(quick, 1));
        Assert.Empty(host.Events.Of(hangs));
        go.Set();
        Assert.Equal([1u], host.Events.WaitFor(hangs, 1));
    }

    [Fact]
    public void An_answer_is_signalled_although_all_pings_behind_it_want_none()
    {
        using var host = new TestHost(new ScriptedDevice(_ => new ScriptedInstance((in ping) => 1)));
        var handle = host.Open();
        host.Detach();
        host.Ping(handle, events: 1);
        for (var i = 0; i < 100; i++)
        {
            host.Ping(handle);
        }

        host.Attach();

        Assert.Equal([1u], host.Events.WaitFor(handle, 1));
        host.WaitForPings();
    }
}
