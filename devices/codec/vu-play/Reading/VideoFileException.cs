// What is wrong with a file.
namespace VirtioUser.Codec.Play.Reading;

/// <summary>A file is not what it should be.</summary>
/// <param name="message">What is wrong with it.</param>
internal sealed class VideoFileException(string message) : Exception(message);
