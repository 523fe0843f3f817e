// ./demo --video from preparation to table.
using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using VirtioUser.Vm;

namespace VirtioUser.Demo.Video;

/// <summary>Decodes clips on the host for a program in a VM; every step is shown as it happens, with its time.</summary>
sealed class VideoDemonstration(IAnsiConsole console)
{
    const int TableWidth = 150;

    // ffmpeg in the guest needs most of the memory. As many processors as the host has: the guest is not to be slower
    // alone than it must be.
    static readonly VirtualMachineOptions Size = new() { MemoryMiB = 1536, Processors = Math.Min(Environment.ProcessorCount, 4) };

    readonly Stopwatch watch = Stopwatch.StartNew();

    /// <summary>Runs it.</summary>
    /// <param name="files">Clips; empty for those that are made of photographs.</param>
    /// <param name="withoutVm">Whether vu-play runs on this machine instead of inside a VM.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>0 if everything held; frame rates are shown and not judged.</returns>
    /// <exception cref="SetupException">Something is missing or not permitted.</exception>
    /// <exception cref="VirtualMachineException">The VM did not boot, or ended by itself.</exception>
    public async Task<int> RunAsync(IReadOnlyCollection<string> files, bool withoutVm, CancellationToken cancellationToken)
    {
        IPlace place = withoutVm ? new HostPlace() : new VmPlace(console, Done, Size);
        await place.PrepareAsync(cancellationToken);
        (MediaTree tree, string library, IReadOnlyList<string> clips, IReadOnlyList<string> longClips) =
            await ConsoleProgress.ShowAsync(console, progress => PrepareAsync(files, progress, cancellationToken));
        using Inputs inputs = Inputs.Copy([.. clips, .. longClips]);
        Done("FFmpeg, the decoder built with it, and the clips are at hand");

        await using DaemonProcess daemon = await DaemonProcess.StartAsync([library], cancellationToken: cancellationToken);
        Done("virtio-userd offers the decoder");
        DirectoryInfo written = Directory.CreateTempSubdirectory("virtio-user-demo-");
        try
        {
            Share program = new(BuildOutput.FolderOf("vu-play"), "/opt/vu-play"), outputs = new(written.FullName, "/mnt/output", Writable: true);
            await using IPlace started = place; // ends before the daemon does
            await place.StartAsync(daemon, [program, tree.Share, inputs.Folder, outputs], cancellationToken);
            FilmRun run = new(place, new Player(place, program), tree, withoutVm ? null : tree.Share, outputs);
            await ShowAsync(FilmsOf(inputs, clips.Count, place), run, place.Title, cancellationToken);
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

        int code = await daemon.StopAsync();
        Done($"everything held; virtio-userd ended with {code}");
        return code;
    }

    static async Task<(MediaTree Tree, string Library, IReadOnlyList<string> Clips, IReadOnlyList<string> LongClips)> PrepareAsync(
        IReadOnlyCollection<string> files, IProgress<PreparationProgress> progress, CancellationToken cancellationToken)
    {
        MediaTree tree = await MediaTree.PrepareAsync(progress, cancellationToken);
        string library = await CodecBuild.GetAsync(tree, cancellationToken);
        List<string> clips = [.. files], longClips = [];
        foreach (Clip film in files.Count == 0 ? Clips.Films : [])
        {
            clips.Add(await Clips.GetAsync(tree, film, progress, cancellationToken));
            longClips.Add(await Clips.GetAsync(tree, Clips.ToMeasure(film), progress, cancellationToken));
        }

        return (tree, library, clips, longClips);
    }

    // Behind the clips come those to measure with, if they are others.
    static IEnumerable<Film> FilmsOf(Inputs inputs, int count, IPlace place)
    {
        // Files of the same name are told apart by the folders that they were copied to.
        bool alike = inputs.Names.DistinctBy(Path.GetFileName).Count() < inputs.Names.Count;
        FilmFile[] all = [.. inputs.Names.Select(name => new FilmFile(Path.Combine(inputs.Folder.HostFolder, name), $"{place.FolderOf(inputs.Folder)}/{name}"))];
        return inputs.Names.Take(count).Select((name, number) => new Film(
            alike ? name.Replace('/', '-') : Path.GetFileName(name), all[number], all[(number + count) % all.Length]));
    }

    async Task ShowAsync(IEnumerable<Film> films, FilmRun run, string title, CancellationToken cancellationToken)
    {
        string folder = Directory.CreateDirectory(Path.Combine(ProjectFolders.Root, "artifacts", "video")).FullName;
        console.WriteLine();
        console.MarkupLineInterpolated($"[bold]{title}[/]");
        List<FilmResult> results = [];
        foreach (Film film in films)
        {
            string sheet = Path.Combine(folder, Path.GetFileNameWithoutExtension(film.Title) + ".png");
            Proof proof = await run.ProveAsync(film, sheet, cancellationToken);
            Done($"{film.Title}: the MD5 of each of {proof.Equal} pictures is the one that ffmpeg gives; contact sheet: {sheet}");
            (List<Decoding> native, List<PlayerSummary> ours) = await run.MeasureAsync(film, cancellationToken);
            FilmResult result = new(film.Title, proof, native, ours, await run.MeasureAloneAsync(film, cancellationToken));
            results.Add(result);
            Done(string.Create(CultureInfo.InvariantCulture,
                $"{film.Title}: {result.OurRate:0} pictures a second, ffmpeg on this machine {result.NativeRate:0}{(result.Alone is { } alone ? $", in the guest {alone.Rate:0.0}" : "")}"));
        }

        console.WriteLine();
        console.Profile.Width = Math.Max(console.Profile.Width, TableWidth);
        console.Write(VideoTable.Of(results, title));
        console.MarkupLineInterpolated($"[grey]Pictures a second, the median of {FilmRun.Rounds} rounds in which ffmpeg and vu-play took turns over as many pictures as \"timed\" says; the ratio is the median of the rounds' ratios.[/]");
    }

    void Done(string what) => console.MarkupLineInterpolated($"[grey]{ConsoleProgress.Seconds(watch.Elapsed),7}[/]  {what}");
}
