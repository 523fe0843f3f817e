// Pings, kicks and threads in all orders.
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>Each test names the line without which it fails.</summary>
public class PingOrderTests(ITestOutputHelper output)
{
    /// <summary>
    /// Guards the look after asking for kicks (what <c>ArmKick</c> returns, in <c>PingSchedule.End</c>): a ping that came before is not kicked
    /// for. All orders, without a bound.
    /// </summary>
    [Fact]
    public void Arm_against_take() => Explore(order =>
    {
        var host = new SteppedHost(order, new ScriptedDevice((in ping) => (uint)ping.Metadata));
        var handle = host.Open();
        host.Attach();
        host.AddGuest(() =>
        {
            host.Ping(handle, 1);
            host.Ping(handle, 2);
        });
        return () => host.Check(handle, 1, 2);
    }, int.MaxValue);

    /// <summary>
    /// Guards <c>_isKicked</c>: another thread can take a ping, and ask for kicks, before the guest looks whether to kick for it. That kick
    /// finds nothing, and was the only one that was asked for.
    /// </summary>
    [Fact]
    public void A_kick_is_found_by_another_thread() => Explore(order =>
    {
        var host = new SteppedHost(order, new ScriptedDevice((in ping) => (uint)ping.Metadata), workers: 2);
        var handle = host.Open();
        host.Attach();
        host.Waiter.Kick(); // as for buffers of events
        host.AddGuest(() => host.Ping(handle, 1));
        return () =>
        {
            host.Check(handle, 1);
            host.Ping(handle, 2); // must be kicked for
            host.Settle();
            host.Check(handle, 1, 2);
        };
    });

    /// <summary>
    /// Guards that <c>PingSchedule.ComeBack</c> notes that kicks are not asked for any more: what the guest sends because of the answer is not
    /// kicked for, so the thread must look, and ask again.
    /// </summary>
    [Fact]
    public void An_answer_against_the_next_ping() => Explore(order =>
    {
        var host = new SteppedHost(order, new ScriptedDevice((in ping) => (uint)ping.Metadata), workers: 2);
        var (first, second) = (host.Open(), host.Open());
        host.Attach();
        host.AddGuest(() =>
        {
            host.Ping(first, 1);
            Order.StopUntil(() => host.Events.Put.Count > 0);
            host.Ping(second, 2);
        });
        return () =>
        {
            host.Check(first, 1);
            host.Check(second, 2);
            host.Ping(first, 3); // must be kicked for
            host.Settle();
            host.Check(first, 1, 3);
        };
    });

    /// <summary>
    /// Guards each part of what <c>PingSchedule.Plan</c> asks before a callback: without a call for the instances that are ready, or without
    /// asking for kicks, or without a call where a ping has come meanwhile (all of <c>MayLeave</c>), nobody takes the ping of the second instance while a thread is in the callback of the first. With three of
    /// them also that who is called calls the next (<c>_isCalled</c> in <c>TryBegin</c>).
    /// </summary>
    [Theory]
    [InlineData(2, 2)]
    [InlineData(3, 1)]
    public void A_ping_does_not_wait_for_a_callback_of_another_instance(int instances, int maxOvertakings) => Explore(
        order =>
        {
            var lastRan = false;
            var host = new SteppedHost(order, new ScriptedDevice((in ping) => Run(ping.Metadata)), workers: instances);
            var all = Enumerable.Range(0, instances).Select(_ => host.Open()).ToList();
            host.Attach();
            host.AddGuest(() =>
            {
                for (var i = 0; i < instances; i++)
                {
                    host.Ping(all[i], (uint)i);
                }
            });
            return () =>
            {
                for (var i = 0; i < instances; i++)
                {
                    host.Check(all[i], (uint)i);
                }
            };

            uint Run(ulong metadata)
            {
                lastRan |= (int)metadata == instances - 1;
                Order.StopUntil(() => lastRan); // the others wait for the last one
                return (uint)metadata;
            }
        },
        maxOvertakings);

    /// <summary>
    /// Guards that <c>PingSchedule.Attach</c> forgets that kicks were asked for, and that each step looks under the lane which queue
    /// there is: a ring that was taken away is not touched, and what came meanwhile is found.
    /// </summary>
    [Fact]
    public void Detach_against_kick() => Explore(order =>
    {
        var host = new SteppedHost(order, new ScriptedDevice((in ping) => (uint)ping.Metadata));
        var handle = host.Open();
        host.Attach();
        order.Add("transport", () =>
        {
            host.DetachPings();
            Order.Stop();
            host.ReattachPings();
        });
        host.AddGuest(() =>
        {
            host.Ping(handle, 1);
            host.Ping(handle, 2);
        });
        return () => host.Check(handle, 1, 2);
    });

    /// <summary>Guards that <c>AsyncKind.Room</c> is set before room is asked for: the strand may be another thread's at once.</summary>
    [Fact]
    public void Room_for_an_answer_comes_while_it_is_asked_for() => Explore(order =>
    {
        var host = new SteppedHost(
            order,
            new ScriptedDevice((in ping) => (uint)ping.Metadata),
            workers: 2,
            eventBuffers: 0,
            new HostOptions { MaxAnswersWaiting = 1 });
        var handle = host.Open();
        host.Attach();
        host.Ping(handle, 1);
        host.Settle(); // its answer waits
        host.Pings.Put(new PingMessage { InstanceHandle = handle, Metadata = 2, Events = 1 });
        host.AddGuest(() => host.Events.AddBuffers(5));
        return () =>
        {
            host.Check(handle, 1, 2);
            host.Ping(handle, 3);
            host.Settle();
            host.Check(handle, 1, 2, 3);
        };
    });

    private void Explore(Func<Order, Action> begin, int maxOvertakings = 2) => output.WriteLine($"{Explorer.Explore(begin, maxOvertakings)} orders");
}
