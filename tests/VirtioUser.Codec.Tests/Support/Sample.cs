// A clip in memory.
using System.Collections.Concurrent;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests.Support;

/// <summary>The bytes of a clip, and what ffmpeg makes of them.</summary>
internal sealed class Sample
{
    private static readonly Lazy<Task<MediaTree>> Tree = new(() => MediaTree.PrepareAsync());
    private static readonly ConcurrentDictionary<Clip, Lazy<Task<Sample>>> Samples = new();

    private Sample(string path) => (Path, Bytes) = (path, File.ReadAllBytes(path));

    public static Clip H264 { get; } = Clips.Small.First(clip => clip.Codec == ClipCodec.H264);

    public static Clip Vp9 { get; } = Clips.Small.First(clip => clip.Codec == ClipCodec.Vp9);

    public static Clip Av1 { get; } = Clips.Small.First(clip => clip.Codec == ClipCodec.Av1);

    public string Path { get; }

    public byte[] Bytes { get; }

    /// <summary>FFmpeg, which made the clips and is what the plug-in decodes with.</summary>
    public static Task<MediaTree> TreeAsync() => Tree.Value;

    public static Task<Sample> GetAsync(Clip clip) => Samples.GetOrAdd(clip, wanted => new(() => LoadAsync(wanted))).Value;

    /// <summary>The first of the small clips of a codec, 25 pictures.</summary>
    public static Task<Sample> GetAsync(ClipCodec codec) => GetAsync(Clips.Small.First(clip => clip.Codec == codec));

    /// <summary>All small clips.</summary>
    public static Task<Sample[]> AllAsync() => Task.WhenAll(Clips.Small.Select(GetAsync));

    /// <summary>What ffmpeg lists: a line for each picture, with its time, size and MD5 sum.</summary>
    public async Task<IReadOnlyList<string>> ExpectedAsync() => PicturesOf(await Ffmpeg.FrameMd5Async(await TreeAsync(), Path));

    /// <summary>The lines of a listing that are about pictures.</summary>
    public static IReadOnlyList<string> PicturesOf(IEnumerable<string> lines) => [.. lines.Where(line => line is not ("" or ['#', ..]))];

    /// <summary>The bytes in about as many pieces as are wanted, without regard to what they mean.</summary>
    public IReadOnlyList<byte[]> Pieces(int count) => [.. Bytes.Chunk((Bytes.Length / count) + 1)];

    private static async Task<Sample> LoadAsync(Clip clip) => new(await Clips.GetAsync(await TreeAsync(), clip));
}
