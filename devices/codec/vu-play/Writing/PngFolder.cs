// Pictures as PNG files.
using System.Globalization;
using VirtioUser.Codec.Play.Pictures;

namespace VirtioUser.Codec.Play.Writing;

/// <summary>Writes the first of every few pictures to <c>frame-NUMBER.png</c>, counted from 0.</summary>
/// <param name="folder">The folder, which is made if need be.</param>
/// <param name="every">How many pictures a file stands for.</param>
internal sealed class PngFolder(string folder, int every) : IFrameWriter
{
    /// <inheritdoc/>
    public void Write(DecodedFrame frame, long number)
    {
        if (number == 0)
        {
            Directory.CreateDirectory(folder);
        }

        if (number % every == 0)
        {
            PictureConverter.Convert(frame).Save(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"frame-{number:d6}.png")));
        }
    }

    /// <inheritdoc/>
    public void Complete(VideoStream? stream)
    {
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
