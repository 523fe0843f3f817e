// A file of the corpus, and what is right for it.
namespace VirtioUser.Codec.Tests.Corpus;

/// <summary>Whether vu-play must say that something is wrong.</summary>
internal enum Errors
{
    /// <summary>Nothing is.</summary>
    None,

    /// <summary>Something is missing or damaged.</summary>
    Some,

    /// <summary>Decoders may differ: the exit code only has to fit what is said.</summary>
    Any,
}

/// <summary>A file, of which vu-play must list what ffmpeg does.</summary>
/// <param name="Name">What is special about it: words with "-" between.</param>
/// <param name="File">How it is made.</param>
/// <param name="Errors">Whether vu-play must say that something is wrong.</param>
internal sealed record CorpusCase(string Name, Recipe File, Errors Errors = Errors.None)
{
    /// <summary>What comes out depends on the threads, so ffmpeg is asked with as many: if something is wrong, and where rates are beyond what it calculates with.</summary>
    public bool ByThreads { get; init; } = Errors != Errors.None;

    /// <summary>
    /// With several threads only the number of pictures is compared, as ffmpeg itself lists other sums from run to run.
    /// </summary>
    public bool CountOnly { get; init; }
}
