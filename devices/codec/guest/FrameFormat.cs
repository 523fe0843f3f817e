// Where the samples of a picture are and what they mean.
namespace VirtioUser.Codec;

/// <summary>The shape of a picture, checked: everything that it says lies inside the memory.</summary>
internal readonly record struct FrameFormat
{
    /// <summary>The largest width or height that is believed.</summary>
    private const uint LargestSide = 1 << 16;

    public required int Width { get; init; }

    public required int Height { get; init; }

    public required int Planes { get; init; }

    public required int Bits { get; init; }

    public required int ChromaShiftX { get; init; }

    public required int ChromaShiftY { get; init; }

    public int BytesPerSample => Bits > 8 ? 2 : 1;

    /// <summary>Checks what the device says of a picture.</summary>
    /// <param name="output">The device's words.</param>
    /// <param name="areaOffset">Where the area of pictures begins in the object.</param>
    /// <param name="areaSize">Its length in bytes.</param>
    /// <param name="format">What can be relied on.</param>
    /// <returns>What is wrong, or null.</returns>
    public static string? Check(in OutputEntry output, ulong areaOffset, ulong areaSize, out FrameFormat format)
    {
        format = default;
        if (output.Width is 0 or > LargestSide || output.Height is 0 or > LargestSide)
        {
            return $"a picture of {output.Width} x {output.Height} samples";
        }

        if (output.Planes is 0 or > 4)
        {
            return $"a picture of {output.Planes} planes";
        }

        if (output.Bits is < 8 or > 16)
        {
            return $"samples of {output.Bits} bits";
        }

        if (output.ChromaShiftX > 4 || output.ChromaShiftY > 4)
        {
            return $"planes that are smaller by {output.ChromaShiftX} and {output.ChromaShiftY} bits";
        }

        format = new FrameFormat
        {
            Width = (int)output.Width,
            Height = (int)output.Height,
            Planes = (int)output.Planes,
            Bits = (int)output.Bits,
            ChromaShiftX = (int)output.ChromaShiftX,
            ChromaShiftY = (int)output.ChromaShiftY,
        };
        for (var plane = 0; plane < format.Planes; plane++)
        {
            ulong rowBytes = (uint)format.RowBytes(plane), stride = output.Stride[plane], offset = output.Plane[plane];

            // No more than 2^32 times 2^16 bytes, so nothing overflows.
            var bytes = (stride * (ulong)(format.PlaneHeight(plane) - 1)) + rowBytes;
            if (stride < rowBytes || offset < areaOffset || bytes > areaSize || offset - areaOffset > areaSize - bytes)
            {
                return $"plane {plane} with {bytes} bytes at {offset} and {stride} bytes from row to row, which is not in the area of pictures";
            }
        }

        return null;
    }

    public int PlaneWidth(int plane) => plane is 1 or 2 ? Shrink(Width, ChromaShiftX) : Width;

    public int PlaneHeight(int plane) => plane is 1 or 2 ? Shrink(Height, ChromaShiftY) : Height;

    /// <summary>Bytes of samples in a row, without what is between rows.</summary>
    public int RowBytes(int plane) => PlaneWidth(plane) * BytesPerSample;

    private static int Shrink(int length, int shift) => (length + (1 << shift) - 1) >> shift;
}
