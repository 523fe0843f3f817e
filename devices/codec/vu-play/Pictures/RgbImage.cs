// A picture as programs show it.
using StbImageWriteSharp;

namespace VirtioUser.Codec.Play.Pictures;

/// <summary>Red, green and blue, a byte each, row by row.</summary>
/// <param name="width">In pixels.</param>
/// <param name="height">In pixels.</param>
internal sealed class RgbImage(int width, int height)
{
    /// <summary>Bytes of a pixel.</summary>
    public const int PixelLength = 3;

    public int Width => width;

    public int Height => height;

    /// <summary>All bytes.</summary>
    public byte[] Bytes { get; } = new byte[checked(width * height * PixelLength)];

    /// <summary>The bytes of a row.</summary>
    public Span<byte> Row(int y) => Bytes.AsSpan(y * width * PixelLength, width * PixelLength);

    /// <summary>Puts another picture into this one; what does not fit must not be.</summary>
    public void Put(RgbImage image, int left, int top)
    {
        for (var y = 0; y < image.Height; y++)
        {
            image.Row(y).CopyTo(Row(top + y)[(left * PixelLength)..]);
        }
    }

    /// <summary>Writes a PNG file.</summary>
    public void Save(string path)
    {
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 64 << 10);
        new ImageWriter().WritePng(Bytes, width, height, ColorComponents.RedGreenBlue, file);
    }
}
