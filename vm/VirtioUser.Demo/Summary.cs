// The table at the end.
using System.Globalization;
using Spectre.Console;

namespace VirtioUser.Demo;

/// <summary>Shows what the program's steps cost.</summary>
internal static class Summary
{
    /// <summary>Makes the table of the steps that reached the host.</summary>
    public static Table Of(IReadOnlyCollection<GuestStep> steps)
    {
        var table = new Table().Border(TableBorder.Simple)
            .AddColumn(Column("step of the program"))
            .AddColumn(Column("sent").RightAligned())
            .AddColumn(Column("worked on by the host"))
            .AddColumn(Column("shared memory").RightAligned())
            .AddColumn(Column("queues").RightAligned())
            .AddColumn(Column("round trips").RightAligned())
            .AddColumn(Column("time").RightAligned());
        foreach (var step in steps.Where(step => step.RoundTrips > 0))
        {
            table.AddRow(
                Markup.Escape(step.Name), Bytes(step.SentBytes),
                Markup.Escape(step.Device is null ? "" : $"{step.Device}, {step.WorkedOn}"),
                Bytes(step.SharedMemoryBytes), Bytes(step.QueueBytes), Count(step.RoundTrips), Time(step.Milliseconds));
        }

        return table.AddEmptyRow().AddRow(
            "all steps", "", "", Bytes(steps.Sum(step => step.SharedMemoryBytes)), Bytes(steps.Sum(step => step.QueueBytes)),
            Count(steps.Sum(step => step.RoundTrips)), Time(steps.Sum(step => step.Milliseconds)));
    }

    // A wrapped number is no number: let the terminal wrap the line if it must.
    private static TableColumn Column(string title) => new TableColumn(title).NoWrap();

    private static string Time(double milliseconds) => string.Create(CultureInfo.InvariantCulture, $"{milliseconds:0.0} ms");

    private static string Bytes(long count) => count == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{count:N0} B");

    private static string Count(long count) => count == 0 ? "" : count.ToString(CultureInfo.InvariantCulture);
}
