// The table at the end.
using System.Globalization;
using Spectre.Console;

namespace VirtioUser.Demo.Video;

/// <summary>Shows how fast clips were decoded.</summary>
internal static class VideoTable
{
    /// <summary>Makes the table.</summary>
    /// <param name="results">A line for each.</param>
    /// <param name="place">Where vu-play ran.</param>
    public static Table Of(IReadOnlyCollection<FilmResult> results, string place)
    {
        var alone = results.Any(result => result.Alone is not null);
        var table = new Table().Border(TableBorder.Simple)
            .AddColumn(Column("clip")).AddColumn(Column("size"))
            .AddColumn(Column("pictures")).AddColumn(Column("MD5 equal")).AddColumn(Column("timed"))
            .AddColumn(Column("pings")).AddColumn(Column("events"))
            .AddColumn(Column("ffmpeg here")).AddColumn(Column($"vu-play {char.ToLowerInvariant(place[0])}{place[1..]}")).AddColumn(Column("ratio"));
        if (alone)
        {
            table.AddColumn(Column("ffmpeg in the guest")).AddColumn(Column("times"));
        }

        foreach (var result in results)
        {
            var last = result.Ours[^1];
            List<string> cells =
            [
                Markup.Escape(result.Title), Text($"{last.Width}x{last.Height}"), Text($"{result.Proved.Frames}"), Text($"{result.Proved.Equal}"), Text($"{last.Frames}"),
                Text($"{last.Pings}"), Text($"{last.Events}"), Text($"{result.NativeRate:0}/s"), Text($"{result.OurRate:0}/s"), Text($"{result.Ratio:0.00}"),
            ];
            if (result.Alone is { } guest)
            {
                cells.AddRange([Text($"{guest.Rate:0.0}/s"), Text($"{result.OurRate / guest.Rate:0.0}")]);
            }

            table.AddRow([.. cells]);
        }

        return table;
    }

    // A wrapped number is no number: let the terminal wrap the line if it must.
    private static TableColumn Column(string title) => title == "clip" ? new TableColumn(title).NoWrap() : new TableColumn(title).NoWrap().RightAligned();

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
