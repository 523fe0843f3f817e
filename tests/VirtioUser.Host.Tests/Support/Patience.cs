// How long a test waits before it calls something lost.
namespace VirtioUser.Host.Tests.Support;

/// <summary>
/// Tests wait for events, never for time: the time here only turns a test that would hang into one that
/// fails, and so is far longer than anything takes on a busy machine.
/// </summary>
internal static class Patience
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Waits for a task.</summary>
    public static async Task Await(Task task) => await task.WaitAsync(Limit);

    /// <summary>Waits for a gate that a callback or another thread opens.</summary>
    public static void Wait(ManualResetEventSlim gate, string what) => Assert.True(gate.Wait(Limit), $"Waited in vain for {what}.");

    /// <summary>Waits for a condition that is changed with <see cref="Monitor.PulseAll"/> on its lock.</summary>
    public static void WaitUntil(object changed, Func<bool> condition, Func<string> what)
    {
        var end = DateTime.UtcNow + Limit;
        lock (changed)
        {
            while (!condition())
            {
                var left = end - DateTime.UtcNow;
                Assert.True(left > TimeSpan.Zero && Monitor.Wait(changed, left), $"Waited in vain for {what()}.");
            }
        }
    }

    /// <summary>Waits until nothing keeps an object alive.</summary>
    public static void WaitUntilCollected(WeakReference reference) => Assert.True(
        SpinWait.SpinUntil(
            () =>
            {
                GC.Collect();
                return !reference.IsAlive;
            },
            Limit),
        "The object is still reachable.");
}
