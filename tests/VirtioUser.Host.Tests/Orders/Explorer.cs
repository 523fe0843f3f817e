// Runs a few threads in all orders of their steps.
using System.Runtime.CompilerServices;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>
/// One actor runs at a time, from one seam to the next; at each seam any of those that can go on may be the next one. All choices are
/// tried, up to a number of overtakings where there are too many, depth first, each in a run of its own from the beginning. A failure names its choices, with which it can be run again.
/// </summary>
internal static class Explorer
{
    // A scenario with more orders than that has too many steps to be run by everybody.
    private const int MaxRuns = 400_000;

    /// <summary>Runs all orders.</summary>
    /// <param name="begin">Makes what the actors work on and names the actors; called for each run. What is returned checks the outcome.</param>
    /// <param name="maxOvertakings">How often an actor is overtaken that could go on, in one run; what goes wrong needs one or two.</param>
    /// <param name="only">The choices of a failure, to run that order alone.</param>
    /// <returns>How many orders there were.</returns>
    public static int Explore(Func<Order, Action> begin, int maxOvertakings = int.MaxValue, IReadOnlyList<int>? only = null)
    {
        using var stage = new Stage();
        var choices = new List<int>(only ?? []);
        for (var runs = 1; ; runs++)
        {
            var order = new Order(stage, choices, maxOvertakings);
            try
            {
                var check = begin(order);
                order.Run();
                check();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"Run {runs}, choices [{string.Join(", ", order.Choices)}]:\n{order.Trace}\n{e.Message}", e);
            }
            finally
            {
                order.End();
            }

            choices = order.NextChoices();
            if (choices.Count == 0 || only is not null)
            {
                return runs;
            }

            Assert.True(runs < MaxRuns, $"There are more than {MaxRuns} orders.");
        }
    }

#pragma warning disable CA2255 // a test program, and the switch is read once
    [ModuleInitializer]
    internal static void Begin()
#pragma warning restore CA2255
    {
        AppContext.SetSwitch(Seam.Switch, true);
        Seam.Reached = () => Order.Stop();
    }
}
