// The bound on the log lines that a guest can cause.
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests;

public sealed class GuestLogTests
{
    [Fact]
    public void All_logs_of_a_budget_share_it_and_the_end_tells_what_was_suppressed()
    {
        var log = new TestLog();
        using (var budget = new GuestLog(log))
        {
            ILogger[] logs = [budget.For(log), budget.For(log)];
            for (var i = 0; i < 1000; i++)
            {
                Log.NoThread(logs[i % 2]);
            }

            // Tokens come back while this runs, however slow the machine is.
            Assert.InRange(log.Lines.Count, GuestLog.Burst, 999);
        }

        Assert.Contains(log.Lines, line => line.Contains("guest-triggered log messages suppressed", StringComparison.Ordinal));
        Assert.Equal(1000, Suppressed(log) + log.Lines.Count - 1);
    }

    [Fact]
    public void What_was_suppressed_is_told_without_another_line()
    {
        var log = new TestLog();
        using var budget = new GuestLog(log);
        while (budget.Allows(out var logger))
        {
            Log.NoThread(logger);
        }

        Assert.True(SpinWait.SpinUntil(() => log.Lines.Any(line => line.Contains("suppressed", StringComparison.Ordinal)), Patience.Limit));
    }

    [Fact]
    public void An_exception_is_one_line_with_its_message()
    {
        var log = new TestLog();
        using var budget = new GuestLog(log);
        Log.PingThrew(budget.For(log), 7, ScriptedDevice.Default, new FormatException("bad\nnews" + new string('x', 5000)));

        var line = Assert.Single(log.Lines);
        Assert.Contains("callback threw: System.FormatException: bad news", line, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', line);
        Assert.InRange(line.Length, 100, 1500);
    }

    [Fact]
    public void A_budget_that_has_ended_lets_nothing_through()
    {
        var log = new TestLog();
        var budget = new GuestLog(log);
        budget.Dispose();

        Log.NoThread(budget.For(log));

        Assert.False(budget.Allows(out _));
        Assert.Empty(log.Lines);
    }

    [Fact]
    public void Who_tries_a_program_sees_every_line()
    {
        var log = new TestLog();
        using var budget = new GuestLog(log, unlimited: true);
        for (var i = 0; i < 100; i++)
        {
            Log.NoThread(budget.For(log));
        }

        Assert.Equal(100, log.Lines.Count);
    }

    private static long Suppressed(TestLog log) => log.Lines
        .Where(line => line.Contains("suppressed", StringComparison.Ordinal))
        .Sum(line => long.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture));
}
