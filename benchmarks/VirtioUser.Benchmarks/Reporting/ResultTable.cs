// The results for people.
using Spectre.Console;

namespace VirtioUser.Benchmarks.Reporting;

/// <summary>A table of one group.</summary>
internal static class ResultTable
{
    /// <summary>Makes it.</summary>
    /// <param name="figures">The group's figures.</param>
    public static Table Of(IReadOnlyCollection<Figure> figures)
    {
        var withProcessors = figures.Any(figure => figure.OursDetails?.Processors is not null);
        var table = new Table().Border(TableBorder.Simple)
            .AddColumn(Column("what"))
            .AddColumn(Column("ours").RightAligned())
            .AddColumn(Column("against"))
            .AddColumn(Column("theirs").RightAligned())
            .AddColumn(Column("ratio").RightAligned())
            .AddColumn(Column("goal"))
            .AddColumn(Column("p99").RightAligned())
            .AddColumn(Column("p99.9").RightAligned())
            .AddColumn(Column("CPU each").RightAligned());
        if (withProcessors)
        {
            table.AddColumn(Column("processors").RightAligned());
        }

        foreach (var figure in figures)
        {
            List<string> cells =
            [
                Markup.Escape(figure.Name),
                Markup.Escape(figure.Unit.Show(figure.Ours)),
                Markup.Escape(figure.Against is null ? "" : $"{(figure.IsFloor ? "floor" : "peer")}: {figure.Against}"),
                figure.Other is { } other ? Markup.Escape(figure.Unit.Show(other)) : "",
                figure.Ratio is { } ratio ? Unit.Number(ratio) : "",
                figure.Holds switch
                {
                    null => "",
                    true => $"[green]{Markup.Escape(figure.Goal!.ToString())}[/]",
                    false => $"[red]{Markup.Escape(figure.Goal!.ToString())} missed[/]",
                },
                Both(figure, details => details.P99), Both(figure, details => details.P999), Both(figure, details => details.Cpu),
            ];
            if (withProcessors)
            {
                cells.Add($"{Processors(figure.OursDetails)} | {Processors(figure.OtherDetails)}");
            }

            table.AddRow([.. cells]);
        }

        return table;
    }

    // A wrapped number is no number: let the terminal wrap the line if it must.
    private static TableColumn Column(string title) => new TableColumn(title).NoWrap();

    private static string Processors(Details? details) => details?.Processors is { } processors ? Unit.Number(processors) : "";

    private static string Both(Figure figure, Func<Details, double?> value)
    {
        string ours = Show(figure.OursDetails), theirs = Show(figure.OtherDetails);
        return ours.Length + theirs.Length == 0 ? "" : $"{ours} | {theirs} us";

        string Show(Details? details) => details is not null && value(details) is { } nanoseconds ? Unit.Number(nanoseconds / 1000) : "";
    }
}
