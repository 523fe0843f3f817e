// ./demo --video, as its user runs it.
namespace VirtioUser.Vm.Tests;

public sealed class VideoDemoTests
{
    private static readonly byte[] PngSignature = [0x89, (byte)'P', (byte)'N', (byte)'G'];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_clip_that_the_host_decodes_for_the_VM_has_the_pictures_that_ffmpeg_finds_in_it()
    {
        var clip = Clips.Small[0];
        var before = DateTime.UtcNow;

        (var code, var output) = await DemoProgram.RunAsync("--video", await PathOfAsync(clip));

        Assert.True(code == 0, output);
        Assert.Contains($"{clip.FileName}: the MD5 of each of {clip.Frames} pictures is the one that ffmpeg gives", output, StringComparison.Ordinal);
        Assert.Contains("ffmpeg in the guest", output, StringComparison.Ordinal);
        await AssertSheetAsync(clip, before);
    }

    [Fact]
    public async Task Without_a_VM_the_same_program_plays_clips_of_every_codec()
    {
        Clip[] clips = [Clips.Small.First(clip => clip.Codec == ClipCodec.H264), Clips.Small.First(clip => clip.Codec == ClipCodec.Vp9), Clips.Small.First(clip => clip.Codec == ClipCodec.Av1)];
        var before = DateTime.UtcNow;

        (var code, var output) = await DemoProgram.RunAsync(["--video", "--no-vm", .. await Task.WhenAll(clips.Select(PathOfAsync))]);

        Assert.True(code == 0, output);
        Assert.DoesNotContain("QEMU", output, StringComparison.Ordinal);
        foreach (var clip in clips)
        {
            Assert.Contains($"{clip.FileName}: the MD5 of each of {clip.Frames} pictures is the one that ffmpeg gives", output, StringComparison.Ordinal);
            await AssertSheetAsync(clip, before);
        }
    }

    [Fact]
    public async Task A_damaged_clip_fails_and_says_what_the_player_said()
    {
        var folder = Directory.CreateTempSubdirectory("virtio-user-demo-test-");
        try
        {
            var bytes = await File.ReadAllBytesAsync(await PathOfAsync(Clips.Small.First(clip => clip.Codec == ClipCodec.Vp9)), Cancelled);
            var damaged = Path.Combine(folder.FullName, "damaged.ivf");
            await File.WriteAllBytesAsync(damaged, bytes[..^10], Cancelled);

            (var code, var output) = await DemoProgram.RunAsync("--video", "--no-vm", damaged);

            Assert.Equal(1, code);
            Assert.Contains("vu-play damaged.ivf ended with 1", output, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<string> PathOfAsync(Clip clip) =>
        await Clips.GetAsync(await MediaTree.PrepareAsync(cancellationToken: Cancelled), clip, cancellationToken: Cancelled);

    private static async Task AssertSheetAsync(Clip clip, DateTime notBefore)
    {
        var sheet = Path.Combine(ProjectFolders.Root, "artifacts", "video", clip.Name + ".png");
        Assert.True(File.GetLastWriteTimeUtc(sheet) >= notBefore, $"{sheet} was not written");
        Assert.Equal(PngSignature, (await File.ReadAllBytesAsync(sheet, Cancelled))[..PngSignature.Length]);
    }
}
