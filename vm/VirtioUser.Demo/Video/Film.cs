// A clip of the demo.
namespace VirtioUser.Demo.Video;

/// <summary>A clip, and one to measure with: of the same pictures, maybe several times over.</summary>
/// <param name="Title">As people read it.</param>
/// <param name="Clip">The clip.</param>
/// <param name="ToMeasure">The clip to measure with.</param>
internal sealed record Film(string Title, FilmFile Clip, FilmFile ToMeasure);

/// <summary>Where a file lies.</summary>
/// <param name="HostPath">For programs on this machine.</param>
/// <param name="PlacePath">For programs in the place.</param>
internal sealed record FilmFile(string HostPath, string PlacePath);
