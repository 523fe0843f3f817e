// A clip of the demo.
namespace VirtioUser.Demo.Video;

/// <summary>A clip and where it lies.</summary>
/// <param name="Title">As people read it.</param>
/// <param name="HostPath">For programs on this machine.</param>
/// <param name="PlacePath">For programs in the place.</param>
sealed record Film(string Title, string HostPath, string PlacePath);
