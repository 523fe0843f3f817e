// ./demo --video from preparation to table.
using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using VirtioUser.Vm;

namespace VirtioUser.Demo.Video;

/// <summary>Decodes clips on the host for a program in a VM; every step is shown as it happens, with its time.</summary>
internal sealed class VideoDemonstration(IAnsiConsole console)
{
    private const int TableWidth = 150;

    // ffmpeg in the guest needs most of the memory. As many processors as the host has: the guest is not to be slower
    // alone than it must be.
    private static readonly VirtualMachineOptions Size = new() { MemoryMiB = 1536, Processors = Math.Min(Environment.ProcessorCount, 4) };

    private readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <summary>Runs it.</summary>
    /// <param name="files">Clips; empty for those that are made of photographs.</param>
    /// <param name="withoutVm">Whether vu-play runs on this machine instead of inside a VM.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>0 if everything held; frame rates are shown and not judged.</returns>
    /// <exception cref="SetupException">Something is missing or not permitted.</exception>
    /// <exception cref="VirtualMachineException">The VM did not boot, or ended by itself.</exception>
    public async Task<int> RunAsync(IReadOnlyCollection<string> files, bool withoutVm, CancellationToken cancellationToken)
    {
        var sheets = MakeSheetFolder(); // before anything that takes long
        using var inputs = await Inputs.CopyAsync(files, cancellationToken);
        IPlace place = withoutVm ? new HostPlace() : new VmPlace(console, Done, Size);
        await place.PrepareAsync(cancellationToken);
        (var tree, var library) = await ConsoleProgress.ShowAsync(console, progress => PrepareAsync(inputs, progress, cancellationToken));
        Done("FFmpeg, the decoder built with it, and the clips are at hand");

        await using var daemon = await DaemonProcess.StartAsync([library], cancellationToken: cancellationToken);
        Done("virtio-userd offers the decoder");
        var written = Directory.CreateTempSubdirectory("virtio-user-demo-");
        try
        {
            Share program = new(BuildOutput.FolderOf("vu-play"), "/opt/vu-play"), outputs = new(written.FullName, "/mnt/output", Writable: true);
            await using var started = place; // ends before the daemon does
            await place.StartAsync(daemon, [program, tree.Share, inputs.Folder, outputs], cancellationToken);
            FilmRun run = new(place, new Player(place, program), tree, withoutVm ? null : tree.Share, outputs);
            await ShowAsync(FilmsOf(inputs, files.Count > 0 ? files.Count : Clips.Films.Count, place), run, sheets, place.Title, cancellationToken);
            await place.StopAsync();
        }
        catch (DemonstrationException e)
        {
            console.MarkupLineInterpolated($"[red]{e.Message}[/]");
            console.WriteLine("The daemon's log ends with:");
            console.WriteLine(daemon.LogTail);
            return 1;
        }
        finally
        {
            written.Delete(recursive: true);
        }

        var code = await daemon.StopAsync();
        Done($"everything held; virtio-userd ended with {code}");
        return code;
    }

    private static string MakeSheetFolder()
    {
        var path = Path.Combine(ProjectFolders.Root, "artifacts", "video");
        try
        {
            return Directory.CreateDirectory(path).FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SetupException($"{path} cannot be made, where the contact sheets are to go: {e.Message} Remove what is in its place.", e);
        }
    }

    // Without files of the user's: first the films, then those to measure with.
    private static async Task<(MediaTree Tree, string Library)> PrepareAsync(
        Inputs inputs, IProgress<PreparationProgress> progress, CancellationToken cancellationToken)
    {
        var tree = await MediaTree.PrepareAsync(progress, cancellationToken);
        var library = await CodecBuild.GetAsync(tree, progress, cancellationToken);
        foreach (var clip in inputs.Names.Count == 0 ? Clips.Films.Concat(Clips.Films.Select(Clips.ToMeasure)) : [])
        {
            await inputs.AddAsync(await Clips.GetAsync(tree, clip, progress, cancellationToken), cancellationToken);
        }

        return (tree, library);
    }

    // Behind the clips come those to measure with, if they are others.
    private static IEnumerable<Film> FilmsOf(Inputs inputs, int count, IPlace place)
    {
        // Files of the same name are told apart by the folders that they were copied to; what is after the dot is not in their sheets' names.
        var alike = inputs.Names.DistinctBy(Path.GetFileNameWithoutExtension).Count() < inputs.Names.Count;
        FilmFile[] all = [.. inputs.Names.Select(name => new FilmFile(Path.Combine(inputs.Folder.HostFolder, name), $"{place.FolderOf(inputs.Folder)}/{name}"))];
        return inputs.Names.Take(count).Select((name, number) => new Film(
            alike ? name.Replace('/', '-') : Path.GetFileName(name), all[number], all[(number + count) % all.Length]));
    }

    private async Task ShowAsync(IEnumerable<Film> films, FilmRun run, string folder, string title, CancellationToken cancellationToken)
    {
        console.WriteLine();
        console.MarkupLineInterpolated($"[bold]{title}[/]");
        List<FilmResult> results = [];
        foreach (var film in films)
        {
            var sheet = Path.Combine(folder, Path.GetFileNameWithoutExtension(film.Title) + ".png");
            if (Directory.Exists(sheet))
            {
                throw new SetupException($"{sheet} is a folder, where a contact sheet is to go: remove it.");
            }

            var proof = await run.ProveAsync(film, sheet, cancellationToken);
            Done($"{film.Title}: the MD5 of each of {proof.Equal} pictures is the one that ffmpeg gives; contact sheet: {sheet}");
            (var native, var ours) = await run.MeasureAsync(film, cancellationToken);
            FilmResult result = new(film.Title, proof, native, ours, await run.MeasureAloneAsync(film, cancellationToken));
            results.Add(result);
            Done(string.Create(CultureInfo.InvariantCulture,
                $"{film.Title}: {result.OurRate:0} pictures a second, ffmpeg on this machine {result.NativeRate:0}{(result.Alone is { } alone ? $", in the guest {alone.Rate:0.0}" : "")}"));
        }

        console.WriteLine();
        console.Profile.Width = Math.Max(console.Profile.Width, TableWidth);
        console.Write(VideoTable.Of(results, title));
        console.MarkupLineInterpolated($"[grey]Pictures a second, the median of {FilmRun.Rounds} rounds in which ffmpeg and vu-play took turns over as many pictures as \"timed\" says; the ratio is the median of the rounds' ratios.[/]");
        if (results.Any(result => result.Alone is not null))
        {
            console.MarkupLine("[grey]ffmpeg in the guest had a few seconds: it is measured over as much of the clip as it could do in them.[/]");
        }
    }

    private void Done(string what) => console.MarkupLineInterpolated($"[grey]{ConsoleProgress.Seconds(_watch.Elapsed),7}[/]  {what}");
}
