// Clips are what they are said to be.
namespace VirtioUser.Vm.Tests;

public sealed class ClipTests
{
    static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>The small clips, by name.</summary>
    public static TheoryData<string> Names => [.. Clips.Small.Select(clip => clip.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_small_clip_has_its_pictures_all_different_and_of_its_size(string name)
    {
        Clip clip = Clips.Small.Single(each => each.Name == name);
        MediaTree tree = await MediaTree.PrepareAsync(cancellationToken: Cancelled);
        string path = await Clips.GetAsync(tree, clip, cancellationToken: Cancelled);

        string[][] pictures = [.. (await Ffmpeg.FrameMd5Async(tree, path, Cancelled)).Where(line => !line.StartsWith('#')).Select(line => line.Split(','))];

        Assert.Equal(clip.FileName, Path.GetFileName(path));
        Assert.Equal(clip.Frames, pictures.Length);
        Assert.Equal(clip.Frames, pictures.Select(fields => fields[^1]).Distinct().Count());
        Assert.Equal(clip.ThenSize is null ? 1 : 2, pictures.Select(fields => fields[^2]).Distinct().Count());
    }

    [Fact]
    public async Task A_clip_is_made_once()
    {
        MediaTree tree = await MediaTree.PrepareAsync(cancellationToken: Cancelled);
        string path = await Clips.GetAsync(tree, Clips.Small[0], cancellationToken: Cancelled);
        DateTime made = File.GetLastWriteTimeUtc(path);

        Assert.Equal(path, await Clips.GetAsync(tree, Clips.Small[0], cancellationToken: Cancelled));
        Assert.Equal(made, File.GetLastWriteTimeUtc(path));
    }

    [Fact]
    public void No_two_clips_have_the_same_name()
    {
        Clip[] all = [.. Clips.Films, .. Clips.Small];
        Assert.Equal(all.Length, all.Select(clip => clip.Name).Distinct().Count());
    }
}
