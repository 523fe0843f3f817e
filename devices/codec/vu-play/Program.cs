// vu-play FILE: decodes a video by the codec device, in a guest or straight through a daemon's socket.
using System.CommandLine.Invocation;
using Virtio;
using Virtio.Linux;
using VirtioUser.Codec;
using VirtioUser.Codec.Play;
using VirtioUser.Codec.Play.Writing;
using VirtioUser.Guest;

const int failure = 1, usage = 2;

var command = CommandLine.Create(Play).Parse(args);
if (command.Action is ParseErrorAction)
{
    StandardError.WriteLine($"vu-play: {command.Errors[0].Message} See --help.");
    return usage;
}

return await command.InvokeGuardedAsync("vu-play: ");

static int Play(PlayOptions options)
{
    if (OutputFiles.FindConflict(options) is { } conflict)
    {
        Say(conflict);
        return usage;
    }

    try
    {
        return Decode(options);
    }
    catch (VirtioUserException e) when (e.Errno == Errno.ENODEV)
    {
        Say($"{e.Message}: its daemon has ended, or the guest's driver was unbound");
        return failure;
    }
    catch (Exception e) when (e is IOException or UnauthorizedAccessException)
    {
        Say(e.Message);
        return failure;
    }
}

static int Decode(PlayOptions options)
{
    using var file = options.File == "-"
        ? StandardStreams.OpenInput()
        : new FileStream(options.File, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
    List<IFrameWriter> writers = [];
    try
    {
        if (options.FrameMd5 is { } md5)
        {
            writers.Add(new FrameMd5Writer(OpenText(md5)));
        }

        if (options.Png is { } folder)
        {
            writers.Add(new PngFolder(folder, options.Every));
        }

        if (options.Sheet is { } sheet)
        {
            writers.Add(new ContactSheet(sheet));
        }

        using var decoder = VideoDecoder.Open(new() { Threads = options.Threads, FrameMemory = options.FrameMemory });
        Player player = new(file, decoder, writers, Say);
        player.Run();
        var summary = options.Json ? player.Summary.ToJson() : player.Summary.ToString();
        if (options.Json && options.FrameMd5 != "-")
        {
            using var output = OpenText("-");
            output.WriteLine(summary);
        }
        else
        {
            StandardError.WriteLine(summary);
        }

        return player.Summary.Errors == 0 ? 0 : failure;
    }
    finally
    {
        foreach (var writer in writers)
        {
            writer.Dispose();
        }
    }
}

static StreamWriter OpenText(string path)
{
    const int bufferLength = 16 << 10;
    var file = path == "-" ? StandardStreams.OpenOutput() : new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read);
    return new StreamWriter(file, bufferSize: bufferLength);
}

static void Say(string text) => StandardError.WriteLine($"vu-play: {text}");
