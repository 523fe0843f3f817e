// A whole picture of a decoder as RGB, in its own size or small.
using System.Runtime.InteropServices;

namespace VirtioUser.Codec.Play.Pictures;

/// <summary>Converts pictures straight from the memory that is shared with the host.</summary>
internal static class PictureConverter
{
    /// <summary>Converts a picture in its own size; a sample of colour serves all the pixels that it belongs to.</summary>
    public static RgbImage Convert(DecodedFrame frame)
    {
        RgbImage image = new(frame.Width, frame.Height);
        var converter = RowConverter.For(frame);
        var rows = new ushort[3][];
        for (var plane = 0; plane < rows.Length; plane++)
        {
            rows[plane] = new ushort[frame.Width];
        }

        for (var y = 0; y < frame.Height; y++)
        {
            for (var plane = 0; plane < Colours(frame); plane++)
            {
                Spread(frame, plane, y, rows[plane]);
            }

            converter.Convert(rows[0], rows[1], rows[2], image.Row(y));
        }

        return image;
    }

    /// <summary>Converts a picture and scales it down: each pixel is the average of the samples that it covers.</summary>
    /// <param name="frame">The picture.</param>
    /// <param name="width">In pixels; if the picture has fewer, samples are repeated.</param>
    /// <param name="height">As the width.</param>
    public static RgbImage Shrink(DecodedFrame frame, int width, int height)
    {
        RgbImage image = new(width, height);
        var converter = RowConverter.For(frame);
        var planes = new ushort[3][];
        for (var plane = 0; plane < planes.Length; plane++)
        {
            planes[plane] = plane < Colours(frame) ? Average(frame, plane, width, height) : new ushort[width * height];
        }

        for (var y = 0; y < height; y++)
        {
            converter.Convert(Row(0, y), Row(1, y), Row(2, y), image.Row(y));
        }

        return image;

        ReadOnlySpan<ushort> Row(int plane, int y) => planes[plane].AsSpan(y * width, width);
    }

    /// <summary>How many planes carry colour: gray pictures have one, and none the transparency.</summary>
    private static int Colours(DecodedFrame frame) => frame.Planes < 3 ? 1 : 3;

    /// <summary>The samples of one row of pixels.</summary>
    private static void Spread(DecodedFrame frame, int plane, int y, Span<ushort> row)
    {
        var (shiftX, shiftY) = plane == 0 ? (0, 0) : (frame.ChromaShiftX, frame.ChromaShiftY);
        var source = frame.GetRow(plane, y >> shiftY);
        if (frame.BytesPerSample == 1)
        {
            for (var x = 0; x < row.Length; x++)
            {
                row[x] = source[x >> shiftX];
            }

            return;
        }

        var samples = MemoryMarshal.Cast<byte, ushort>(source);
        for (var x = 0; x < row.Length; x++)
        {
            row[x] = samples[x >> shiftX];
        }
    }

    /// <summary>A plane in another size.</summary>
    private static ushort[] Average(DecodedFrame frame, int plane, int width, int height)
    {
        int fromWidth = frame.PlaneWidth(plane), fromHeight = frame.PlaneHeight(plane);
        var result = new ushort[width * height];

        // Of one row of the result: up to 2^16 rows of samples of 16 bits.
        var sums = new uint[fromWidth];
        for (var y = 0; y < height; y++)
        {
            var (top, bottom) = Covered(y, height, fromHeight);
            Array.Clear(sums);
            for (var row = top; row < bottom; row++)
            {
                Add(frame.GetRow(plane, row), frame.BytesPerSample, sums);
            }

            for (var x = 0; x < width; x++)
            {
                var (left, right) = Covered(x, width, fromWidth);
                ulong sum = 0;
                for (var column = left; column < right; column++)
                {
                    sum += sums[column];
                }

                result[(y * width) + x] = (ushort)(sum / ((ulong)(right - left) * (ulong)(bottom - top)));
            }
        }

        return result;
    }

    /// <summary>Which samples of a line a pixel covers: at least one.</summary>
    private static (int Begin, int End) Covered(int pixel, int pixels, int samples)
    {
        var begin = (int)((long)pixel * samples / pixels);
        return (begin, Math.Max(begin + 1, (int)((pixel + 1L) * samples / pixels)));
    }

    private static void Add(ReadOnlySpan<byte> row, int bytesPerSample, Span<uint> sums)
    {
        if (bytesPerSample == 1)
        {
            for (var x = 0; x < sums.Length; x++)
            {
                sums[x] += row[x];
            }

            return;
        }

        var samples = MemoryMarshal.Cast<byte, ushort>(row);
        for (var x = 0; x < sums.Length; x++)
        {
            sums[x] += samples[x];
        }
    }
}
