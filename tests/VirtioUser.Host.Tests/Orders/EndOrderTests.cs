// The end of an instance and of a driver, in all orders.
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>Each test names the line without which it fails.</summary>
public class EndOrderTests(ITestOutputHelper output)
{
    /// <summary>
    /// Guards the mark of an abandoned instance, which <c>EventSchedule.Abandon</c> sets before it resumes who waits for room, and the look at it
    /// in <c>TryBeginAnswer</c> under the lock: otherwise the ping waits for good for a guest that is gone.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void End_against_answer(bool driverGoes) => Explore(order =>
    {
        var disposed = 0;
        var host = new SteppedHost(
            order,
            new ScriptedDevice(_ => new ScriptedInstance((in ping) => (uint)ping.Metadata, () => disposed++)),
            workers: 2,
            eventBuffers: 0,
            new HostOptions { MaxAnswersWaiting = 1, DestroyTimeout = TimeSpan.Zero });
        var handle = host.Open();
        host.Attach();
        host.Ping(handle, 1);
        host.Settle(); // its answer waits, and the next ping waits for it
        host.Ping(handle, 2);
        order.Add("end", () => End(host, handle, driverGoes));
        return () =>
        {
            host.CheckPings();
            host.Model.Run(); // events that nobody gets any more go when somebody looks, which the next kick does
            Assert.Equal((1, 0), (disposed, host.Model.InUse.Instances));
            Assert.Empty(host.Events.Put);
        };
    });

    /// <summary>
    /// Guards that <c>AsyncStep.Await</c> says what it waits for before it asks to be told, and that the caller touches nothing
    /// afterwards: the strand may be another thread's at once. One answer comes, and one end.
    /// </summary>
    [Fact]
    public void Cancel_against_complete() => Explore(order =>
    {
        var disposed = 0;
        var task = new SteppedTask();
        var host = new SteppedHost(
            order,
            new ScriptedDevice(_ => new AsyncInstance(
                (_, ending) =>
                {
                    ending.UnsafeRegister((_, token) => task.Cancel(token), null);
                    return task.Task;
                },
                () =>
                {
                    disposed++;
                    return ValueTask.CompletedTask;
                })),
            workers: 2);
        var handle = host.Open();
        host.Attach();
        host.Ping(handle, 1);
        order.Add("end", () => host.Close(handle));
        order.Add("device", () => task.Answer(7));
        return () =>
        {
            host.CheckPings();
            host.Model.Run();
            Assert.Equal((1, 0, 0L), (disposed, host.Model.InUse.Instances, host.Model.Counters[Counter.InstancesFailed]));
            Assert.True(host.Events.Put.Count <= 1); // a close does not wait for long here, and then nothing is told
        };
    });

    /// <summary>
    /// Guards that <c>PingSchedule.Drop</c> gives entries only to the ring of the driver that sent them, and that what an abandoned instance
    /// still says goes nowhere: nothing of the former driver reaches the next one.
    /// </summary>
    [Fact]
    public void Session_end_against_an_asynchronous_completion() => Explore(order =>
    {
        var disposed = 0;
        var task = new SteppedTask();
        var host = new SteppedHost(
            order,
            new ScriptedDevice(_ => new AsyncInstance(
                (_, _) => task.Task,
                () =>
                {
                    disposed++;
                    return ValueTask.CompletedTask;
                })),
            workers: 2,
            options: new HostOptions { MaxPingsKept = 0 }); // it keeps its entry
        var handle = host.Open();
        host.Attach();
        host.Ping(handle, 1);
        order.Add("end", () => End(host, handle, driverGoes: true));
        order.Add("device", () => task.Answer(7));
        return () =>
        {
            host.CheckPings();
            Assert.Equal((1, 0), (disposed, host.Model.InUse.Instances));
        };
    });

    private static void End(SteppedHost host, ulong handle, bool driverGoes)
    {
        if (driverGoes)
        {
            host.ReplaceDriver();
        }
        else
        {
            host.Close(handle);
        }
    }

    private void Explore(Func<Order, Action> begin) => output.WriteLine($"{Explorer.Explore(begin, maxOvertakings: 2)} orders");
}
