// Makes red, green and blue of a decoder's samples.
namespace VirtioUser.Codec.Play.Pictures;

/// <summary>
/// Converts rows of samples by the matrix, the depth and the range of a picture (ITU-T H.273, section 8.3). Samples may have any value:
/// what comes out is clamped. Nothing is done about primaries or transfer characteristics.
/// </summary>
internal readonly struct RowConverter
{
    private readonly bool _isRgb, _isGray;
    private readonly float _offset, _scale, _center, _red, _greenOfBlue, _greenOfRed, _blue;

    /// <summary>Prepares to convert.</summary>
    /// <param name="planes">1 or 2: gray; otherwise three of them count.</param>
    /// <param name="bits">Of a sample.</param>
    /// <param name="matrix">MatrixCoefficients.</param>
    /// <param name="isFullRange">Whether samples use all values.</param>
    /// <param name="isRgb">Whether the planes are green, blue and red.</param>
    public RowConverter(int planes, int bits, int matrix, bool isFullRange, bool isRgb)
    {
        const int identity = 0;
        float largest = (1 << bits) - 1, unit = 1 << (bits - 8);
        _isGray = planes < 3;
        _isRgb = isRgb || matrix == identity;
        _offset = isFullRange ? 0 : 16 * unit;
        _scale = 255 / (isFullRange ? largest : 219 * unit);
        _center = 128 * unit;
        var chroma = 255 / (isFullRange ? largest : 224 * unit);
        var (kr, kb) = Weights(matrix);
        var kg = 1 - kr - kb;
        _red = 2 * (1 - kr) * chroma;
        _blue = 2 * (1 - kb) * chroma;
        _greenOfRed = -2 * kr * (1 - kr) / kg * chroma;
        _greenOfBlue = -2 * kb * (1 - kb) / kg * chroma;
    }

    /// <summary>Prepares to convert a decoder's picture.</summary>
    public static RowConverter For(DecodedFrame frame) => new(frame.Planes, frame.Bits, frame.Matrix, frame.IsFullRange, frame.IsRgb);

    /// <summary>Converts a row; all planes have a sample for each pixel.</summary>
    /// <param name="first">Y or green.</param>
    /// <param name="second">U or blue; of no matter if the picture is gray.</param>
    /// <param name="third">V or red; as above.</param>
    /// <param name="rgb">Where the pixels go, 3 bytes each.</param>
    public void Convert(ReadOnlySpan<ushort> first, ReadOnlySpan<ushort> second, ReadOnlySpan<ushort> third, Span<byte> rgb)
    {
        for (var x = 0; x < first.Length; x++)
        {
            var pixel = rgb.Slice(x * RgbImage.PixelLength, RgbImage.PixelLength);
            var luma = (first[x] - _offset) * _scale;
            if (_isGray)
            {
                pixel.Fill(ToByte(luma));
            }
            else if (_isRgb)
            {
                pixel[0] = ToByte((third[x] - _offset) * _scale);
                pixel[1] = ToByte(luma);
                pixel[2] = ToByte((second[x] - _offset) * _scale);
            }
            else
            {
                float u = second[x] - _center, v = third[x] - _center;
                pixel[0] = ToByte(luma + (_red * v));
                pixel[1] = ToByte(luma + (_greenOfBlue * u) + (_greenOfRed * v));
                pixel[2] = ToByte(luma + (_blue * u));
            }
        }
    }

    /// <summary>KR and KB of a matrix (Table 4). What is not known or not of this form is taken for BT.601, as ffmpeg does.</summary>
    private static (float Kr, float Kb) Weights(int matrix) => matrix switch
    {
        1 => (0.2126f, 0.0722f),
        4 => (0.30f, 0.11f),
        7 => (0.212f, 0.087f),
        9 or 10 => (0.2627f, 0.0593f),
        _ => (0.299f, 0.114f),
    };

    private static byte ToByte(float value) => (byte)Math.Clamp(value + 0.5f, 0, 255);
}
