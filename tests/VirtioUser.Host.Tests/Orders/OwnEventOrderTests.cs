// Events that devices send on their own threads, in all orders.
using VirtioUser.Devices;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>Each test names the line without which it fails.</summary>
public class OwnEventOrderTests(ITestOutputHelper output)
{
    /// <summary>
    /// Guards that <c>DeferredSignal</c> takes off only the requests that it has seen before it signalled: the guest is told of an event that comes
    /// while a worker signals for another, or is about to end.
    /// </summary>
    [Fact]
    public void Two_senders_against_the_worker_that_signals() => Explore(order =>
    {
        InstanceContext? context = null;
        var host = NewHost(order, made => context = made, workers: 2);
        var handle = host.Open();
        host.Attach();
        for (var i = 1u; i <= 2; i++)
        {
            var revents = i;
            order.Add($"device{revents}", () => Assert.True(context!.TrySendEvent(revents)));
        }

        return () =>
        {
            Assert.Equal([Revents.Unsolicited | 1, Revents.Unsolicited | 2], host.Events.Put.Select(message => message.Revents).Order());
            Assert.Equal(2, host.Events.Told);
        };
    });

    /// <summary>Guards <c>EventSchedule.TakeSignal</c>: whoever signals for an answer signals for the own events before it, which have taken the guest's wish.</summary>
    [Fact]
    public void An_own_event_against_an_answer() => Explore(order =>
    {
        InstanceContext? context = null;
        var host = NewHost(order, made => context = made, workers: 2);
        var handle = host.Open();
        host.Attach();
        host.Ping(handle, 7);
        order.Add("device", () => Assert.True(context!.TrySendEvent(1)));
        return () =>
        {
            Assert.Equal([7u, Revents.Unsolicited | 1], host.Events.Put.Select(message => message.Revents).Order());
            Assert.Equal(2, host.Events.Told);
        };
    });

    private static SteppedHost NewHost(Order order, Action<InstanceContext> made, int workers) => new(
        order,
        new ScriptedDevice(context =>
        {
            made(context);
            return new ScriptedInstance((in ping) => (uint)ping.Metadata);
        }),
        workers);

    private void Explore(Func<Order, Action> begin) => output.WriteLine($"{Explorer.Explore(begin, maxOvertakings: 2)} orders");
}
