// Config requests, kicks and threads in all orders.
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>Each test names the line without which it fails.</summary>
public class ConfigOrderTests(ITestOutputHelper output)
{
    /// <summary>Guards the look after asking for kicks (what <c>ArmKick</c> returns, in <c>ConfigSchedule.Next</c>).</summary>
    [Fact]
    public void Arm_against_take() => Explore(order =>
    {
        var (host, requests, replies) = Begin(order);
        host.Waiter.Kick(); // as for buffers of replies
        order.Add("guest", () =>
        {
            requests.Send(ConfigOperation.EnumerateDevices, 1);
            requests.Send(ConfigOperation.EnumerateDevices, 2);
        }, takesLocks: false);
        return () => Check(host, replies, 1, 2);
    }, maxOvertakings: 3);

    /// <summary>
    /// Guards <c>TryBegin</c> after a request: one of several that find the rings worked on leaves, and what it came for
    /// must be seen by the other.
    /// </summary>
    [Fact]
    public void Two_threads_answer_what_comes_at_any_time() => Explore(order =>
    {
        var (host, requests, replies) = Begin(order, workers: 2);
        order.Add("guest", () =>
        {
            requests.Send(ConfigOperation.EnumerateDevices, 1);
            requests.Send(ConfigOperation.DestroyInstance, 2, handle: 77);
            requests.Send(ConfigOperation.FreeMemory, 3, handle: 77);
        }, takesLocks: false);
        return () =>
        {
            Assert.True(replies.Put.FindIndex(reply => reply.Tag == 2) < replies.Put.FindIndex(reply => reply.Tag == 3), "An instance's requests are out of order.");
            Check(host, replies, 1, 2, 3);
        };
    });

    /// <summary>Guards the kick that is asked for where a reply finds no buffer (what <c>TryPut</c> returns, in <c>PutReplies</c>).</summary>
    [Fact]
    public void Buffers_against_replies() => Explore(order =>
    {
        var (host, requests, replies) = Begin(order, buffers: 0);
        order.Add("guest", () =>
        {
            requests.Send(ConfigOperation.EnumerateDevices, 1);
            replies.AddBuffers(1);
            requests.Send(ConfigOperation.EnumerateDevices, 2);
            replies.AddBuffers(1);
        }, takesLocks: false);
        return () => Check(host, replies, 1, 2);
    });

    /// <summary>Guards the lane around both queues, and the call in <c>Attach</c>: a VM is stopped and goes on with the same rings.</summary>
    [Fact]
    public void Detach_against_kick() => Explore(order =>
    {
        var (host, requests, replies) = Begin(order);
        order.Add("guest", () => requests.Send(ConfigOperation.EnumerateDevices, 1), takesLocks: false);
        order.Add("connection", () =>
        {
            Detach(host, requests, replies);
            (requests.IsClosed, replies.IsClosed) = (false, false);
            host.Model.Config.Attach(requests);
            host.Model.Config.Attach(replies);
        });
        return () => Check(host, replies, 1);
    });

    /// <summary>Guards <c>ConfigRequest.Driver</c> in <c>TryKeep</c>, and the end of what was made for nobody: a driver goes with a create under way.</summary>
    [Fact]
    public void Driver_end_against_answer() => Explore(order =>
    {
        var (host, requests, replies) = Begin(order);
        var next = new SteppedReplies(host.Waiter, int.MaxValue);
        var others = new SteppedRequests(host.Waiter);
        order.Add("guest", () => requests.Send(ConfigOperation.CreateInstance, 1), takesLocks: false);
        order.Add("connection", () =>
        {
            Detach(host, requests, replies);
            host.Model.Config.ForgetDriver();
            host.Model.Config.WaitFor(host.Model.EndDriverAsync());
            host.Model.Config.Attach(others);
            host.Model.Config.Attach(next);
            others.Send(ConfigOperation.EnumerateDevices, 2);
        });
        return () =>
        {
            host.Settle();
            Check(host, next, 2);
            Assert.Equal(0, host.Model.InUse.Instances);
        };
    });

    /// <summary>Guards <c>ConfigSchedule.Stop</c>: what runs is over before the end is told, and nothing begins after it.</summary>
    [Fact]
    public void Session_end_against_request() => Explore(order =>
    {
        var (host, requests, replies) = Begin(order);
        order.Add("guest", () => requests.Send(ConfigOperation.CreateInstance, 1), takesLocks: false);
        order.Add("connection", () =>
        {
            Detach(host, requests, replies);
            host.Model.Config.ForgetDriver();
            _ = host.Model.EndDriverAsync();
            host.Model.Config.Stop();
            if (host.Model.Config.Ended.IsCompleted)
            {
                Assert.Equal((0, 0), host.Model.Config.InUse);
            }
        });
        return () =>
        {
            host.Settle();
            Assert.True(host.Model.Config.Ended.IsCompleted);
            Assert.Equal((0, 0, 0), (host.Model.Config.InUse.InFlight, host.Model.Config.InUse.Running, host.Model.InUse.Instances));
        };
    });

    private static (SteppedHost Host, SteppedRequests Requests, SteppedReplies Replies) Begin(Order order, int workers = 1, int buffers = int.MaxValue)
    {
        var host = new SteppedHost(order, new ScriptedDevice((in _) => 0), workers);
        host.Waiter.Work = host.Model.Config;
        var (requests, replies) = (new SteppedRequests(host.Waiter), new SteppedReplies(host.Waiter, buffers));
        host.Model.Config.SetOpen(true);
        host.Model.Config.Attach(requests);
        host.Model.Config.Attach(replies);
        host.Settle();
        return (host, requests, replies);
    }

    private static void Detach(SteppedHost host, SteppedRequests requests, SteppedReplies replies)
    {
        host.Model.Config.DetachRequests();
        requests.IsClosed = true;
        host.Model.Config.DetachReplies();
        replies.IsClosed = true;
    }

    private static void Check(SteppedHost host, SteppedReplies replies, params ulong[] tags)
    {
        Assert.Equal(tags, replies.Put.Select(reply => reply.Tag).Order());
        Assert.Equal((0, 0), host.Model.Config.InUse);
    }

    private void Explore(Func<Order, Action> begin, int maxOvertakings = 2) => output.WriteLine($"{Explorer.Explore(begin, maxOvertakings)} orders");
}
