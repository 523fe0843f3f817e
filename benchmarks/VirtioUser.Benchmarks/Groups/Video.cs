// Group 7: video that the host decodes.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>
/// Pictures a second of the decoder in devices/codec for a program without a VM and for the same program in one, against
/// ffmpeg with the same libavcodec on this machine, and against ffmpeg in the same guest.
/// </summary>
internal sealed class Video() : BenchmarkGroup(7, "video")
{
    private const string PlayerFolderInGuest = "/opt/vu-play", ClipFolderInGuest = "/mnt/clip";
    private const string Player = "vu-play.dll";
    private const int MemoryMiB = 1536;

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        context.BusyWith("preparing FFmpeg, the decoder and the guest");
        var tree = await MediaTree.PrepareAsync(cancellationToken: cancellationToken);
        var library = await CodecBuild.GetAsync(tree, cancellationToken: cancellationToken);
        var image = await GuestImage.PrepareAsync(cancellationToken: cancellationToken);
        List<(Clip Clip, string Path, Share Folder)> films = [];
        foreach (var clip in (context.Quick ? Clips.Films.Take(1) : Clips.Films).Select(Clips.ToMeasure))
        {
            context.BusyWith($"making {clip.Name}");
            var path = await Clips.GetAsync(tree, clip, cancellationToken: cancellationToken);
            films.Add((clip, path, new Share(Path.GetDirectoryName(path)!, $"{ClipFolderInGuest}{films.Count}")));
        }

        // One daemon for each way.
        await using var forVm = await DaemonProcess.StartAsync([library], cancellationToken: cancellationToken);
        await using var direct = await DaemonProcess.StartAsync([library], cancellationToken: cancellationToken);
        context.BusyWith("booting");
        await using var machine = await VirtualMachine.StartAsync(
            image,
            new VirtualMachineOptions
            {
                MemoryMiB = MemoryMiB,
                Processors = Environment.ProcessorCount,
                Devices = [new VhostUserDevice(forVm.SocketPath)],
                Shares = [tree.Share, new Share(BuildOutput.FolderOf("vu-play"), PlayerFolderInGuest), .. films.Select(film => film.Folder)],
            },
            cancellationToken);
        await machine.LoadDriverAsync(cancellationToken: cancellationToken);
        List<Figure> figures = [];
        foreach ((var clip, var path, var folder) in films)
        {
            figures.AddRange(await MeasureAsync(context, tree, clip, path, $"{folder.GuestFolder}/{clip.FileName}", direct, machine, cancellationToken));
        }

        return figures;
    }

    private static async Task<IReadOnlyList<Figure>> MeasureAsync(
        RunContext context, MediaTree tree, Clip clip, string path, string inGuest, DaemonProcess direct, VirtualMachine machine, CancellationToken cancellationToken)
    {
        var rounds = context.Quick ? 1 : 3;
        List<Sample> native = [], withoutVm = [], inVm = [], alone = [];
        await PlayInVmAsync(machine, inGuest, cancellationToken); // the guest reads the program and the clip for the first time
        for (var round = 1; round <= rounds; round++)
        {
            context.BusyWith($"{clip.Name}: round {round} of {rounds}");
            native.Add(SampleOf(await Ffmpeg.MeasureAsync(tree, path, cancellationToken)));
            withoutVm.Add(SampleOf(await PlayAsync(direct, path, cancellationToken)));
            inVm.Add(SampleOf(await PlayInVmAsync(machine, inGuest, cancellationToken)));
        }

        context.BusyWith($"{clip.Name}: ffmpeg in the guest, once");
        alone.Add(SampleOf(await FfmpegDecoding.MeasureInGuestAsync(
            MediaTree.FolderInGuest, inGuest, (command, error) => machine.RunAsync(command, error: error, cancellationToken: cancellationToken))));
        Series floor = new("ffmpeg on this machine", native), peer = new("ffmpeg in the guest", alone);
        var name = $"{clip.Codec.ToString().ToUpperInvariant()} {clip.Width} x {clip.Height}";
        return
        [
            Figure.Of($"{name}, without a VM", Unit.PicturesPerSecond, new Series("ours", withoutVm), floor, isFloor: true, Goal.RatioAtLeast(0.9)),
            Figure.Of($"{name}, in the VM", Unit.PicturesPerSecond, new Series("ours", inVm), floor, isFloor: true, Goal.RatioAtLeast(0.9)),
            Figure.Of($"{name}, in the VM", Unit.PicturesPerSecond, new Series("ours", inVm), peer, isFloor: false),
        ];
    }

    private static Sample SampleOf(Decoding decoding) => new(decoding.Rate, null, TimeSpan.Zero, decoding.Frames);

    private static async Task<Decoding> PlayAsync(DaemonProcess daemon, string clip, CancellationToken cancellationToken)
    {
        PlayerSummary? summary = null;
        var code = await ChildProcess.RunAsync(
            "dotnet", [BuildOutput.PathOf("vu-play", Player), clip, "--json"],
            new ChildProcess.Options
            {
                Environment = new Dictionary<string, string?> { ["VIRTIO_USER"] = $"unix:{daemon.SocketPath}" },
                Output = line => summary = PlayerSummary.Parse(line) ?? summary,
            },
            cancellationToken);
        return code == 0 && summary is not null ? summary.Decoding : throw new SetupException($"vu-play ended with {code}: {daemon.LogTail}");
    }

    private static async Task<Decoding> PlayInVmAsync(VirtualMachine machine, string clip, CancellationToken cancellationToken)
    {
        var result = await machine.RunAsync(["dotnet", $"{PlayerFolderInGuest}/{Player}", clip, "--json"], cancellationToken: cancellationToken);
        return result.ExitCode == 0 && PlayerSummary.Parse(result.Output) is { } summary
            ? summary.Decoding
            : throw new VirtualMachineException($"vu-play in the guest ended with {result.ExitCode}: {result.Error}");
    }
}
