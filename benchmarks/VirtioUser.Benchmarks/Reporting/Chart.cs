// The results as a picture.
using System.Globalization;
using System.Security;
using System.Text;

namespace VirtioUser.Benchmarks.Reporting;

/// <summary>
/// An SVG chart of one group: two bars for each figure, ours above what it is compared with. Each pair has a scale of
/// its own, the longer bar fills it, so that seconds and nanoseconds stand in one picture.
/// </summary>
internal static class Chart
{
    private const int Width = 1020, Left = 370, Bars = 330, Right = Left + Bars + 12;
    private const int Top = 46, RowHeight = 44, BarHeight = 14;
    private const string Ours = "#2563a8", Theirs = "#b8bec6", Good = "#1a7f37", Missed = "#c2410c";

    /// <summary>Draws it.</summary>
    /// <param name="title">The group.</param>
    /// <param name="figures">Its figures.</param>
    /// <returns>The file's text.</returns>
    public static string Draw(string title, IReadOnlyList<Figure> figures)
    {
        StringBuilder svg = new();
        var height = Top + RowHeight * figures.Count + 34;
        Line(svg, $"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {height}\" font-family=\"sans-serif\" font-size=\"12\">");
        Line(svg, $"<rect width=\"{Width}\" height=\"{height}\" fill=\"white\"/>");
        Text(svg, 14, 26, title, "font-size=\"16\" font-weight=\"bold\"");
        for (var i = 0; i < figures.Count; i++)
        {
            DrawFigure(svg, figures[i], Top + RowHeight * i);
        }

        var legend = Top + RowHeight * figures.Count + 18;
        Line(svg, $"<rect x=\"14\" y=\"{legend - 10}\" width=\"12\" height=\"12\" fill=\"{Ours}\"/><rect x=\"74\" y=\"{legend - 10}\" width=\"12\" height=\"12\" fill=\"{Theirs}\"/>");
        Text(svg, 30, legend, "ours");
        Text(svg, 90, legend, "what it is compared with; each pair has its own scale");
        Line(svg, $"</svg>");
        return svg.ToString();
    }

    private static void DrawFigure(StringBuilder svg, Figure figure, int y)
    {
        var longest = Math.Max(figure.Ours, figure.Other ?? 0);
        Text(svg, 14, y + 12, figure.Name);
        if (figure.Against is not null)
        {
            Text(svg, 14, y + 28, $"{(figure.IsFloor ? "floor" : "peer")}: {figure.Against}", "fill=\"#666\"");
        }

        Bar(svg, y + 1, figure.Ours, longest, Ours, figure.Unit);
        if (figure.Other is { } other)
        {
            Bar(svg, y + 17, other, longest, Theirs, figure.Unit);
        }

        var ratio = figure.Ratio is { } value ? $"ratio {Unit.Number(value)}" : "";
        Text(svg, Right + 80, y + 12, ratio, "font-weight=\"bold\"");
        if (figure.Goal is { } goal)
        {
            Text(svg, Right + 80, y + 28, $"goal: {goal}{(figure.Holds == true ? "" : ", missed")}", $"fill=\"{(figure.Holds == true ? Good : Missed)}\"");
        }
    }

    private static void Bar(StringBuilder svg, int y, double value, double longest, string colour, Unit unit)
    {
        var width = longest > 0 ? Math.Max(1, Bars * value / longest) : 1;
        Line(svg, $"<rect x=\"{Left}\" y=\"{y}\" width=\"{width:0.#}\" height=\"{BarHeight}\" fill=\"{colour}\"/>");
        Text(svg, (int)(Left + width + 5), y + 11, unit.Show(value));
    }

    private static void Text(StringBuilder svg, int x, int y, string text, string attributes = "") =>
        Line(svg, $"<text x=\"{x}\" y=\"{y}\" {attributes}>{SecurityElement.Escape(text)}</text>");

    private static void Line(StringBuilder svg, FormattableString line) => svg.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
