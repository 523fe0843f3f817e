// The table at the end.
using System.Globalization;
using Spectre.Console;

namespace VirtioUser.Demo;

/// <summary>Shows what the guest's steps cost.</summary>
static class Summary
{
    /// <summary>Makes the table.</summary>
    public static Table Of(IReadOnlyCollection<GuestStep> steps)
    {
        Table table = new Table().Border(TableBorder.Simple)
            .AddColumns("step in the guest", "sent", "back", "worked on by the host at")
            .AddColumn(Right("through shared memory"))
            .AddColumn(Right("through queues"))
            .AddColumn(Right("round trips"))
            .AddColumn(Right("time"));
        table.Columns[1].RightAligned();
        table.Columns[2].RightAligned();
        foreach (GuestStep step in steps)
        {
            table.AddRow(
                Markup.Escape(step.Name), Bytes(step.SentBytes), Bytes(step.ResultBytes),
                Markup.Escape(step.Device is null ? "" : $"{step.Device}, {step.WorkedOn}"),
                Bytes(step.SharedMemoryBytes), Bytes(step.QueueBytes), Count(step.RoundTrips),
                string.Create(CultureInfo.InvariantCulture, $"{step.Milliseconds:0.0} ms"));
        }

        return table.AddEmptyRow().AddRow(
            "[bold]all[/]", "", "", "", Bytes(steps.Sum(step => step.SharedMemoryBytes)), Bytes(steps.Sum(step => step.QueueBytes)),
            Count(steps.Sum(step => step.RoundTrips)),
            string.Create(CultureInfo.InvariantCulture, $"{steps.Sum(step => step.Milliseconds):0.0} ms"));
    }

    static TableColumn Right(string title) => new TableColumn(title).RightAligned();

    static string Bytes(long count) => count == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{count:N0} B");

    static string Count(long count) => count == 0 ? "" : count.ToString(CultureInfo.InvariantCulture);
}
