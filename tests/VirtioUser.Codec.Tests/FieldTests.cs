// Files that people had trouble with, as vu-play shows them.
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests;

[Trait("Category", "Field")]
public sealed class FieldTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>
{
    /// <summary>A file, its rate, and how many pictures ffmpeg shows.</summary>
    public static TheoryData<string, uint, int> Streams => new()
    {
        { "01-rate-30.h264", 30, 15 },
        { "02-timebase-vp9.ivf", 30, 12 },
        { "02-timebase-av1.ivf", 25, 10 },
        { "03-no-vui.h264", 25, 12 },
        { "09-prefix.h264", 25, 10 },
        { "10-lost-slice.h264", 25, 12 },
        { "17-middle.h264", 25, 12 },
        { "21-kept.h264", 25, 75 },
    };

    /// <summary>Where a file is.</summary>
    internal static string PathOf(string name) => Path.Combine(AppContext.BaseDirectory, "Field", name);

    [Theory]
    [MemberData(nameof(Streams))]
    public async Task Every_picture_comes_out_at_the_time_that_ffmpeg_gives_it(string name, uint rate, int pictures)
    {
        var path = PathOf(name);
        var expected = await Ffmpeg.FrameMd5Async(await Sample.TreeAsync(), path, TestContext.Current.CancellationToken);
        Assert.Contains($"#tb 0: 1/{rate}", expected);
        foreach (var threads in new[] { 0, 1, 5 })
        {
            var (_, output, _) = await VuPlay.RunAsync(daemon.SocketPath, path, "--threads", $"{threads}", "--framemd5", "-");

            Assert.Equal(expected.Where(IsNotAboutSoftware), output.Where(IsNotAboutSoftware));
            Assert.Equal(pictures, Sample.PicturesOf(output).Count);
        }
    }

    [Fact]
    public async Task What_a_damaged_stream_leaves_unwritten_is_not_what_the_daemon_had_in_its_memory()
    {
        List<string>? first = null;
        for (var run = 0; run < 6; run++)
        {
            // Something else in between: it leaves other bytes where the pictures may come to lie.
            await VuPlay.RunAsync(daemon.SocketPath, PathOf("02-timebase-av1.ivf"));
            var (_, output, said) = await VuPlay.RunAsync(daemon.SocketPath, PathOf("22-unwritten-av1.ivf"), "--threads", $"{run % 2}", "--framemd5", "-");

            Assert.True(Sample.PicturesOf(output).Count > 0, string.Join('\n', said));
            first ??= output;
            Assert.Equal(first, output);
        }
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    public async Task A_picture_that_shares_its_packet_with_another_is_lost_and_that_is_told(string threads)
    {
        var (code, output, said) = await VuPlay.RunAsync(daemon.SocketPath, PathOf("23-two-in-a-packet-h264.ivf"), "--threads", threads, "--framemd5", "-");

        Assert.Equal(1, code);
        Assert.NotEmpty(Sample.PicturesOf(output));
        Assert.Contains("vu-play: a packet cannot be decoded", said);
    }

    [Fact]
    public async Task Too_little_memory_is_told_with_the_option_that_is_enough()
    {
        // 640 x 480 is too large for 1 MiB whatever is kept.
        var path = await Clips.GetAsync(await Sample.TreeAsync(), new Clip(ClipCodec.H264, 640, 480, 25), cancellationToken: TestContext.Current.CancellationToken);

        var (code, _, said) = await VuPlay.RunAsync(daemon.SocketPath, path, "--memory", "1");

        Assert.Equal(1, code);
        var line = said.First(line => line.Contains("--memory", StringComparison.Ordinal));
        Assert.Contains("it is 1 now", line, StringComparison.Ordinal);
        var enough = line.Split("--memory ")[1].Split(' ')[0];
        (code, _, said) = await VuPlay.RunAsync(daemon.SocketPath, path, "--memory", enough);
        Assert.True(code == 0, string.Join('\n', said));
    }

    [Fact]
    public async Task More_memory_than_the_host_has_is_refused_with_both_sizes()
    {
        var (code, _, said) = await VuPlay.RunAsync(daemon.SocketPath, PathOf("01-rate-30.h264"), "--memory", "32768");

        Assert.Equal(1, code);
        var line = Assert.Single(said);
        Assert.Contains($"{32768L << 20} of them for pictures", line, StringComparison.Ordinal);
        Assert.Matches("the host has at most [1-9][0-9]* in one piece: [1-9][0-9]* for pictures would fit", line);
    }

    private static bool IsNotAboutSoftware(string line) => !line.StartsWith("#software", StringComparison.Ordinal);
}
