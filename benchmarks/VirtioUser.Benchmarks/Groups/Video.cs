// Group 7: video that the host decodes.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>
/// Pictures a second of the decoder in devices/codec for a program without a VM and for the same program in one, against
/// ffmpeg with the same libavcodec on this machine, and against ffmpeg in the same guest.
/// </summary>
sealed class Video() : BenchmarkGroup(7, "video")
{
    const string PlayerFolderInGuest = "/opt/vu-play", ClipFolderInGuest = "/mnt/clip";
    const string Player = "vu-play.dll";
    const int MemoryMiB = 1536;

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        context.BusyWith("preparing FFmpeg, the decoder and the guest");
        MediaTree tree = await MediaTree.PrepareAsync(cancellationToken: cancellationToken);
        string library = await CodecBuild.GetAsync(tree, cancellationToken: cancellationToken);
        GuestImage image = await GuestImage.PrepareAsync(cancellationToken: cancellationToken);
        List<(Clip Clip, string Path, Share Folder)> films = [];
        foreach (Clip clip in (context.Quick ? Clips.Films.Take(1) : Clips.Films).Select(Clips.ToMeasure))
        {
            context.BusyWith($"making {clip.Name}");
            string path = await Clips.GetAsync(tree, clip, cancellationToken: cancellationToken);
            films.Add((clip, path, new Share(Path.GetDirectoryName(path)!, $"{ClipFolderInGuest}{films.Count}")));
        }

        // A daemon serves one front-end at a time.
        await using DaemonProcess forVm = await DaemonProcess.StartAsync([library], cancellationToken: cancellationToken);
        await using DaemonProcess direct = await DaemonProcess.StartAsync([library], cancellationToken: cancellationToken);
        context.BusyWith("booting");
        await using VirtualMachine machine = await VirtualMachine.StartAsync(
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
        foreach ((Clip clip, string path, Share folder) in films)
        {
            figures.AddRange(await MeasureAsync(context, tree, clip, path, $"{folder.GuestFolder}/{clip.FileName}", direct, machine, cancellationToken));
        }

        return figures;
    }

    static async Task<IReadOnlyList<Figure>> MeasureAsync(
        RunContext context, MediaTree tree, Clip clip, string path, string inGuest, DaemonProcess direct, VirtualMachine machine, CancellationToken cancellationToken)
    {
        int rounds = context.Quick ? 1 : 3;
        List<Sample> native = [], withoutVm = [], inVm = [], alone = [];
        await PlayInVmAsync(machine, inGuest, cancellationToken); // the guest reads the program and the clip for the first time
        for (int round = 1; round <= rounds; round++)
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
        string name = $"{clip.Codec.ToString().ToUpperInvariant()} {clip.Width} x {clip.Height}";
        return
        [
            Figure.Of($"{name}, without a VM", Unit.PicturesPerSecond, new Series("ours", withoutVm), floor, isFloor: true, Goal.RatioAtLeast(0.9)),
            Figure.Of($"{name}, in the VM", Unit.PicturesPerSecond, new Series("ours", inVm), floor, isFloor: true, Goal.RatioAtLeast(0.9)),
            Figure.Of($"{name}, in the VM", Unit.PicturesPerSecond, new Series("ours", inVm), peer, isFloor: false),
        ];
    }

    static Sample SampleOf(Decoding decoding) => new(decoding.Rate, null, TimeSpan.Zero, decoding.Frames);

    static async Task<Decoding> PlayAsync(DaemonProcess daemon, string clip, CancellationToken cancellationToken)
    {
        PlayerSummary? summary = null;
        int code = await ChildProcess.RunAsync(
            "dotnet", [BuildOutput.PathOf("vu-play", Player), clip, "--json"],
            new ChildProcess.Options
            {
                Environment = new Dictionary<string, string?> { ["VIRTIO_USER"] = $"unix:{daemon.SocketPath}" },
                Output = line => summary = PlayerSummary.Parse(line) ?? summary,
            },
            cancellationToken);
        return code == 0 && summary is not null ? summary.Decoding : throw new SetupException($"vu-play ended with {code}: {daemon.LogTail}");
    }

    static async Task<Decoding> PlayInVmAsync(VirtualMachine machine, string clip, CancellationToken cancellationToken)
    {
        GuestCommandResult result = await machine.RunAsync(["dotnet", $"{PlayerFolderInGuest}/{Player}", clip, "--json"], cancellationToken: cancellationToken);
        return result.ExitCode == 0 && PlayerSummary.Parse(result.Output) is { } summary
            ? summary.Decoding
            : throw new VirtualMachineException($"vu-play in the guest ended with {result.ExitCode}: {result.Error}");
    }
}
