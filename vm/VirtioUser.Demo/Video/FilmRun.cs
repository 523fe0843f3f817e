// One clip, decoded in all the ways that are compared.
using VirtioUser.Vm;

namespace VirtioUser.Demo.Video;

/// <summary>Decodes clips by vu-play in a place, and by ffmpeg on this machine and in the guest.</summary>
/// <param name="place">Where vu-play runs.</param>
/// <param name="player">vu-play.</param>
/// <param name="tree">FFmpeg.</param>
/// <param name="media">How the guest sees <paramref name="tree"/>; null without a VM.</param>
/// <param name="outputs">A folder that programs in the place may write to.</param>
internal sealed class FilmRun(IPlace place, Player player, MediaTree tree, Share? media, Share outputs)
{
    /// <summary>How often ffmpeg and vu-play take turns.</summary>
    public const int Rounds = 3;

    /// <summary>Has vu-play write a contact sheet and the MD5 sums of all pictures, and compares those with ffmpeg's.</summary>
    /// <param name="film">The clip.</param>
    /// <param name="sheet">Where the contact sheet is to go: a PNG file.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="DemonstrationException">A picture is another, or vu-play failed.</exception>
    public async Task<Proof> ProveAsync(Film film, string sheet, CancellationToken cancellationToken)
    {
        const string listing = "listing", picture = "sheet.png";
        await player.PlayAsync(film.Clip.PlacePath, ["--framemd5", InPlace(listing), "--sheet", InPlace(picture)], cancellationToken);
        var actual = await File.ReadAllLinesAsync(Path.Combine(outputs.HostFolder, listing), cancellationToken);
        File.Move(Path.Combine(outputs.HostFolder, picture), sheet, overwrite: true);
        File.Delete(Path.Combine(outputs.HostFolder, listing));
        var proof = Proof.Of(await Ffmpeg.FrameMd5Async(tree, film.Clip.HostPath, cancellationToken), actual);
        return proof.Holds
            ? proof
            : throw new DemonstrationException($"{film.Title}: {proof.Equal} of {proof.Frames} pictures are equal. {proof.Difference ?? "There is no picture."}");
    }

    /// <summary>Measures ffmpeg on this machine and vu-play in the place, in turns.</summary>
    /// <param name="film">The clip.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>Ffmpeg's runs and vu-play's, in the order of the rounds.</returns>
    public async Task<(List<Decoding> Native, List<PlayerSummary> Ours)> MeasureAsync(Film film, CancellationToken cancellationToken)
    {
        List<Decoding> native = [];
        List<PlayerSummary> ours = [];
        for (var round = 0; round < Rounds; round++)
        {
            native.Add(await Ffmpeg.MeasureAsync(tree, film.ToMeasure.HostPath, cancellationToken));
            ours.Add(await player.PlayAsync(film.ToMeasure.PlacePath, [], cancellationToken));
        }

        return (native, ours);
    }

    /// <summary>Measures ffmpeg in the guest, for as many pictures as there is time for.</summary>
    /// <param name="film">The clip.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>Null without a VM.</returns>
    /// <exception cref="VirtualMachineException">Nothing was decoded.</exception>
    public async Task<Decoding?> MeasureAloneAsync(Film film, CancellationToken cancellationToken) => media is null
        ? null
        : await FfmpegDecoding.MeasureInGuestAsync(
            place.FolderOf(media), film.ToMeasure.PlacePath, (command, error) => place.RunAsync(command, _ => { }, error, cancellationToken));

    private string InPlace(string name) => $"{place.FolderOf(outputs)}/{name}";
}
