// vu-play as a user runs it.
using System.Globalization;
using System.Text.Json;
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests;

public sealed class PlayTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>, IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vu-play-");

    public static TheoryData<string> Names => [.. Clips.Small.Select(clip => clip.Name)];

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_listing_is_the_text_that_ffmpeg_writes(string name)
    {
        var sample = await Sample.GetAsync(Clips.Small.Single(clip => clip.Name == name));
        var expected = await Ffmpeg.FrameMd5Async(await Sample.TreeAsync(), sample.Path, TestContext.Current.CancellationToken);

        var (code, output, said) = await RunAsync(sample.Path, "--framemd5", "-", "--json");

        Assert.True(code == 0, string.Join('\n', said));
        Assert.Equal(expected.Where(IsNotAboutSoftware), output.Where(IsNotAboutSoftware));
        var summary = JsonDocument.Parse(Assert.Single(said)).RootElement;
        Assert.Equal(Sample.PicturesOf(expected).Count, summary.GetProperty("frames").GetInt32());
        Assert.Equal(sample.Bytes.Length, summary.GetProperty("bytes").GetInt32());
    }

    [Fact]
    public async Task Pictures_and_a_sheet_become_PNG_files()
    {
        var sample = await Sample.GetAsync(Sample.H264);
        string pictures = Path.Combine(_folder.FullName, "pictures"), sheet = Path.Combine(_folder.FullName, "sheet.png");

        var (code, _, said) = await RunAsync(sample.Path, "--png", pictures, "--every", "5", "--sheet", sheet);

        Assert.True(code == 0, string.Join('\n', said));
        var files = Directory.GetFiles(pictures).Order(StringComparer.Ordinal).ToList();
        Assert.Equal(
            Enumerable.Range(0, ((await sample.ExpectedAsync()).Count + 4) / 5).Select(i => string.Create(CultureInfo.InvariantCulture, $"frame-{5 * i:d6}.png")),
            files.Select(Path.GetFileName));
        Assert.All(files.Append(sheet), file => Assert.Equal([0x89, .. "PNG"u8], File.ReadAllBytes(file)[..4]));
    }

    [Fact]
    public async Task Of_a_file_that_was_cut_off_it_shows_what_is_there_and_fails()
    {
        var sample = await Sample.GetAsync(Sample.Vp9);
        var path = Path.Combine(_folder.FullName, "cut.ivf");
        await File.WriteAllBytesAsync(path, (await File.ReadAllBytesAsync(sample.Path, TestContext.Current.CancellationToken))[..^5], TestContext.Current.CancellationToken);

        var (code, output, said) = await RunAsync(path, "--json");

        Assert.Equal(1, code);
        Assert.Contains("ends within a packet", said[0], StringComparison.Ordinal);
        Assert.Equal((await sample.ExpectedAsync()).Count, JsonDocument.Parse(Assert.Single(output)).RootElement.GetProperty("frames").GetInt32());
    }

    [Fact]
    public async Task What_can_not_be_decoded_fails_and_the_rest_is_decoded()
    {
        var sample = await Sample.GetAsync(Sample.Vp9);
        var bytes = await File.ReadAllBytesAsync(sample.Path, TestContext.Current.CancellationToken);

        // The second packet's first byte, behind two headers of packets: no frame of VP9 begins so.
        bytes[32 + 12 + BitConverter.ToInt32(bytes, 32) + 12] = 0;
        var path = Path.Combine(_folder.FullName, "damaged.ivf");
        await File.WriteAllBytesAsync(path, bytes, TestContext.Current.CancellationToken);

        var (code, _, said) = await RunAsync(path);

        Assert.Equal(1, code);
        Assert.Contains("vu-play: a packet cannot be decoded", said);
        Assert.Contains("errors", said[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_that_are_none_and_devices_that_are_not_there_are_told_from_bad_options()
    {
        var sample = await Sample.GetAsync(Sample.H264);
        var path = Path.Combine(_folder.FullName, "nothing");
        await File.WriteAllTextAsync(path, "nothing", TestContext.Current.CancellationToken);

        var (none, _, why) = await RunAsync(path);
        Assert.Equal(1, none);
        Assert.Contains("neither IVF", why[0], StringComparison.Ordinal);
        await File.WriteAllBytesAsync(path, (await File.ReadAllBytesAsync((await Sample.GetAsync(Sample.Vp9)).Path, TestContext.Current.CancellationToken))[..32], TestContext.Current.CancellationToken);
        var (code, _, said) = await RunAsync(path);
        Assert.Equal((1, "vu-play: there is no picture in it"), (code, said[0]));
        Assert.Equal(1, (await RunAsync(path + ".missing")).Code);
        Assert.Equal(2, (await RunAsync(sample.Path, "--every", "0")).Code);
        Assert.Equal(1, (await VuPlay.RunAsync(path + ".socket", sample.Path)).Code);
        Assert.Equal(1, (await RunAsync(sample.Path, "--framemd5", Path.Combine(_folder.FullName, "no", "folder"))).Code);
    }

    [Fact]
    public async Task Options_that_would_write_over_the_video_or_over_each_other_are_refused_before_anything_is_opened()
    {
        string film = Path.Combine(_folder.FullName, "film"), link = film + ".link", fresh = film + ".new", dangling = film + ".dangling";
        string pictures = Path.Combine(_folder.FullName, "folder"), first = Path.Combine(pictures, "frame-000000.png");
        await File.WriteAllTextAsync(film, "film", TestContext.Current.CancellationToken);
        File.CreateSymbolicLink(link, film);
        File.CreateSymbolicLink(dangling, fresh);
        Directory.CreateDirectory(pictures);
        string[][] commands =
        [
            [film, "--framemd5", film],
            [film, "--framemd5", link],
            [link, "--sheet", film],
            [film, "--sheet", Path.Combine(pictures, "..", "film")],
            [film, "--framemd5", fresh, "--sheet", fresh],
            [film, "--framemd5", fresh, "--sheet", dangling],
            [film, "--png", pictures, "--sheet", first],
            [first, "--png", pictures],
        ];
        foreach (var command in commands)
        {
            var (code, _, said) = await RunAsync(command);

            Assert.Equal(2, code);
            Assert.Single(said);
            Assert.Equal("film", await File.ReadAllTextAsync(film, TestContext.Current.CancellationToken));
            Assert.False(File.Exists(fresh));
        }
    }

    [Fact]
    public async Task A_codec_that_is_not_decoded_is_named()
    {
        var bytes = await File.ReadAllBytesAsync((await Sample.GetAsync(Sample.Vp9)).Path, TestContext.Current.CancellationToken);
        "VP80"u8.CopyTo(bytes.AsSpan(8));
        var path = Path.Combine(_folder.FullName, "vp8.ivf");
        await File.WriteAllBytesAsync(path, bytes, TestContext.Current.CancellationToken);

        var (code, _, said) = await RunAsync(path);

        Assert.Equal(1, code);
        Assert.Contains("IVF with the codec VP80", said[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("/dev/urandom")]
    public async Task What_is_no_video_and_has_no_end_is_not_read_on(string path)
    {
        var (code, _, said) = await RunAsync(path);

        Assert.Equal(1, code);
        Assert.Contains(said, line => line.Contains("neither IVF", StringComparison.Ordinal) || line.Contains("cannot be decoded", StringComparison.Ordinal));
        if (path == "/dev/zero")
        {
            Assert.Single(said, line => line.StartsWith("vu-play: ", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_pipe_is_not_waited_for_when_it_is_known_to_be_no_video()
    {
        var path = Path.Combine(_folder.FullName, "open");
        Assert.Equal(0, await ChildProcess.RunAsync("mkfifo", [path], cancellationToken: TestContext.Current.CancellationToken));
        var playing = RunAsync(path);
        await using FileStream pipe = new(path, FileMode.Open, FileAccess.Write);
        try
        {
            for (var count = 0; count < 64 && !playing.IsCompleted; count++)
            {
                await pipe.WriteAsync(new byte[1 << 20], TestContext.Current.CancellationToken);
            }
        }
        catch (IOException)
        {
            // It has ended and closed the pipe.
        }

        var (code, _, said) = await playing;
        Assert.Equal(1, code);
        Assert.Contains("neither IVF", said[0], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{0} - < {1}", 0)] // the standard input
    [InlineData("{0} {1} --framemd5 - >/dev/full", 1)]
    [InlineData("{0} {1} --framemd5 - | exec true; exit ${{PIPESTATUS[0]}}", 1)] // nobody reads it
    [InlineData("{0} {1} --json | exec true; exit ${{PIPESTATUS[0]}}", 1)]
    [InlineData("{0} {1} 2>/dev/full", 0)]
    [InlineData("{0} {1} 2>&-", 0)]
    [InlineData("{0} {1}.missing 2>/dev/full", 1)]
    [InlineData("{0} {1}.missing 2>&-", 1)]
    [InlineData("{0} {1} --nonsense 2>/dev/full", 2)]
    [InlineData("{0} --help >/dev/full 2>&1", 1)]
    [InlineData("said=$({0} --help 2>&1 >/dev/full) && exit 9; [[ $said == 'vu-play: The output'*'No space left'* && $said != *$'\n'* ]]", 0)] // one sentence
    public async Task Faults_of_the_standard_streams_are_in_the_exit_code_and_end_nothing_else(string format, int expected)
    {
        var sample = await Sample.GetAsync(Sample.H264);
        var program = $"VIRTIO_USER='unix:{daemon.SocketPath}' dotnet '{BuildOutput.PathOf("vu-play", "vu-play.dll")}'";
        var command = string.Format(CultureInfo.InvariantCulture, format, program, $"'{sample.Path}'");

        Assert.Equal(expected, await ChildProcess.RunAsync("bash", ["-c", command], cancellationToken: TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_daemon_that_ends_in_the_middle_of_a_film_is_told()
    {
        var library = await CodecBuild.GetAsync(await Sample.TreeAsync(), cancellationToken: TestContext.Current.CancellationToken);
        await using var doomed = await DaemonProcess.StartAsync([library], cancellationToken: TestContext.Current.CancellationToken);
        var path = Path.Combine(_folder.FullName, "pipe");
        Assert.Equal(0, await ChildProcess.RunAsync("mkfifo", [path], cancellationToken: TestContext.Current.CancellationToken));
        var film = await File.ReadAllBytesAsync((await Sample.GetAsync(Sample.H264)).Path, TestContext.Current.CancellationToken);
        var playing = VuPlay.RunAsync(doomed.SocketPath, path);
        await using (FileStream pipe = new(path, FileMode.Open, FileAccess.Write))
        {
            // It waits for the rest of the film, until the daemon is gone.
            await pipe.WriteAsync(film, TestContext.Current.CancellationToken);
            var patience = Patience.Token();
            while (await doomed.ReadMetricAsync("virtio_user_instances", patience) != 1)
            {
                patience.ThrowIfCancellationRequested();
            }

            await doomed.StopAsync();
        }

        var (code, _, said) = await playing;

        Assert.Equal(1, code);
        Assert.Contains("its daemon has ended", Assert.Single(said), StringComparison.Ordinal);
    }

    private static bool IsNotAboutSoftware(string line) => !line.StartsWith("#software", StringComparison.Ordinal);

    private Task<(int Code, List<string> Output, List<string> Said)> RunAsync(params string[] arguments) => VuPlay.RunAsync(daemon.SocketPath, arguments);
}
