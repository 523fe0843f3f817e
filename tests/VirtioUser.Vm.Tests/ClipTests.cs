// Clips are what they are said to be.
namespace VirtioUser.Vm.Tests;

public sealed class ClipTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>The small clips, by name.</summary>
    public static TheoryData<string> Names => [.. Clips.Small.Select(clip => clip.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_small_clip_has_its_pictures_all_different_and_of_its_size(string name)
    {
        var clip = Clips.Small.Single(each => each.Name == name);
        var tree = await MediaTree.PrepareAsync(cancellationToken: Cancelled);
        var path = await Clips.GetAsync(tree, clip, cancellationToken: Cancelled);

        string[][] pictures = [.. (await Ffmpeg.FrameMd5Async(tree, path, Cancelled)).Where(line => !line.StartsWith('#')).Select(line => line.Split(','))];

        Assert.Equal(clip.FileName, Path.GetFileName(path));
        Assert.Equal(clip.Frames, pictures.Length);
        Assert.Equal(clip.Frames, pictures.Select(fields => fields[^1]).Distinct().Count());
        Assert.Equal(clip.ThenSize is null ? 1 : 2, pictures.Select(fields => fields[^2]).Distinct().Count());
    }

    [Fact]
    public async Task A_clip_is_made_once()
    {
        var tree = await MediaTree.PrepareAsync(cancellationToken: Cancelled);
        var path = await Clips.GetAsync(tree, Clips.Small[0], cancellationToken: Cancelled);
        var made = File.GetLastWriteTimeUtc(path);

        Assert.Equal(path, await Clips.GetAsync(tree, Clips.Small[0], cancellationToken: Cancelled));
        Assert.Equal(made, File.GetLastWriteTimeUtc(path));
    }

    [Theory]
    [InlineData(ClipCodec.H264)]
    [InlineData(ClipCodec.Vp9)]
    [InlineData(ClipCodec.Av1)]
    public async Task A_clip_several_times_over_has_the_same_pictures_as_often(ClipCodec codec)
    {
        var once = Clips.Small.First(clip => clip.Codec == codec);
        var tree = await MediaTree.PrepareAsync(cancellationToken: Cancelled);

        string[] first = await HashesAsync(tree, once), all = await HashesAsync(tree, once with { Times = 3 });

        Assert.Equal([.. first, .. first, .. first], all);
    }

    [Fact]
    public void No_two_clips_have_the_same_name()
    {
        Clip[] all = [.. Clips.Films, .. Clips.Films.Select(Clips.ToMeasure), .. Clips.Small];
        Assert.Equal(all.Length, all.Select(clip => clip.Name).Distinct().Count());
    }

    private static async Task<string[]> HashesAsync(MediaTree tree, Clip clip)
    {
        var path = await Clips.GetAsync(tree, clip, cancellationToken: Cancelled);
        return [.. (await Ffmpeg.FrameMd5Async(tree, path, Cancelled)).Where(line => !line.StartsWith('#')).Select(line => line.Split(',')[^1])];
    }
}
