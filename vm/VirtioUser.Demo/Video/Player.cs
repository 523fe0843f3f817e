// Running vu-play.
using VirtioUser.Vm;

namespace VirtioUser.Demo.Video;

/// <summary>Runs the guest's program in a place.</summary>
/// <param name="place">The place.</param>
/// <param name="program">The folder with the program.</param>
internal sealed class Player(IPlace place, Share program)
{
    /// <summary>Plays a clip to its end.</summary>
    /// <param name="path">The clip, as programs in the place see it.</param>
    /// <param name="options">What it is to write.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="DemonstrationException">It failed; the message says what it said last.</exception>
    public async Task<PlayerSummary> PlayAsync(string path, IEnumerable<string> options, CancellationToken cancellationToken)
    {
        List<string> said = [];
        PlayerSummary? summary = null;
        var code = await place.RunAsync(
            ["dotnet", $"{place.FolderOf(program)}/vu-play.dll", path, "--json", .. options], Hear, Hear, cancellationToken);
        return code == 0 && summary is not null
            ? summary
            : throw new DemonstrationException($"vu-play {Path.GetFileName(path)} ended with {code}: {string.Join('\n', said)}");

        void Hear(string line)
        {
            lock (said)
            {
                if (PlayerSummary.Parse(line) is { } parsed)
                {
                    summary = parsed;
                }
                else
                {
                    said.Add(line);
                }
            }
        }
    }
}
