// A library completes a ping, in all orders.
using VirtioUser.Host.Plugins;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>Each test names the line without which it fails.</summary>
public class LibraryOrderTests(ITestOutputHelper output)
{
    /// <summary>
    /// Guards that <c>LibraryAnswer</c> is claimed by exchanging the number and waited for by exchanging the continuation: a ping that two threads
    /// complete is answered once, and one that is completed between the host's look and its wait is answered at all.
    /// </summary>
    [Fact]
    public void Complete_against_wait_and_against_another() => Explore(order =>
    {
        var (answer, number) = (new LibraryAnswer(), 0ul);
        var accepted = new List<uint>();
        var host = new SteppedHost(order, new ScriptedDevice(_ => new AsyncInstance((_, _) =>
        {
            number = answer.Begin();
            return answer.Answer;
        })));
        var handle = host.Open();
        host.Attach();
        host.Ping(handle, 1);
        for (var i = 7u; i <= 8; i++)
        {
            var revents = i;
            order.Add($"library{revents}", () =>
            {
                Order.StopUntil(() => number != 0);
                if (answer.TryComplete(number, revents))
                {
                    accepted.Add(revents);
                }
            });
        }

        return () => host.Check(handle, Assert.Single(accepted));
    });

    /// <summary>Guards that a number is never used again: who completes a ping that is over does nothing to the next one.</summary>
    [Fact]
    public void A_late_completion_against_the_next_ping() => Explore(order =>
    {
        var answer = new LibraryAnswer();
        var numbers = new List<ulong>();
        var late = true;
        var host = new SteppedHost(order, new ScriptedDevice(_ => new AsyncInstance((_, _) =>
        {
            numbers.Add(answer.Begin());
            return answer.Answer;
        })));
        var handle = host.Open();
        host.Attach();
        host.Ping(handle, 1);
        host.Ping(handle, 2);
        order.Add("library", () =>
        {
            Order.StopUntil(() => numbers.Count == 1);
            Assert.True(answer.TryComplete(numbers[0], 7));
            Order.StopUntil(() => numbers.Count == 2);
            Assert.True(answer.TryComplete(numbers[1], 8));
        });
        order.Add("late", () =>
        {
            Order.StopUntil(() => numbers.Count == 2);
            late = answer.TryComplete(numbers[0], 9);
        });
        return () =>
        {
            Assert.False(late);
            host.Check(handle, 7, 8);
        };
    });

    private void Explore(Func<Order, Action> begin) => output.WriteLine($"{Explorer.Explore(begin, maxOvertakings: 2)} orders");
}
