// Tells what happens, for people and for the host side of the demo.
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using VirtioUser.Protocol;

namespace VirtioUser.Demo.Guest;

/// <summary>
/// Writes two lines for each step, as it ends: one for people, and one of JSON, which begins with a brace.
/// </summary>
internal static class Report
{
    /// <summary>Runs a step; the time counts from its begin to its end.</summary>
    public static T Do<T>(string name, Func<Step, T> action)
    {
        var step = new Step { Name = name };
        var begin = Stopwatch.GetTimestamp();
        var result = action(step);
        step.Milliseconds = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        Write(step);
        return result;
    }

    /// <summary>Writes a step that was measured in parts.</summary>
    public static void Write(Step step)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{step.Milliseconds,9:0.0} ms  {step.Name}{(step.Detail is null ? "" : ": ")}{step.Detail}"));
        Console.WriteLine(JsonSerializer.Serialize(step, StepJson.Default.Step));
    }

    /// <summary>Counts a ping that was answered.</summary>
    public static void CountPing(Step step)
    {
        step.RoundTrips++;
        step.QueueBytes += PingMessage.Size + EventMessage.Size;
    }

    /// <summary>Counts a config request and its reply.</summary>
    public static void CountConfig(Step step)
    {
        step.RoundTrips++;
        step.QueueBytes += 2 * ConfigMessage.Size;
    }
}
