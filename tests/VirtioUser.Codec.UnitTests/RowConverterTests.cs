// Colours, against values that are known.
using VirtioUser.Codec.Play.Pictures;

namespace VirtioUser.Codec.UnitTests;

public sealed class RowConverterTests
{
    private const int Bt709 = 1, Unknown = 2, Bt601 = 6, Bt2020 = 9, Identity = 0;

    // The codes of colour bars, as BT.601, BT.709, BT.2020 and JPEG give them, rounded: hence a tolerance of 2.
    [Theory]
    [InlineData(Bt601, 8, false, 16, 128, 128, 0, 0, 0)]
    [InlineData(Bt601, 8, false, 235, 128, 128, 255, 255, 255)]
    [InlineData(Bt601, 8, false, 126, 128, 128, 128, 128, 128)]
    [InlineData(Bt601, 8, false, 81, 90, 240, 255, 0, 0)]
    [InlineData(Bt601, 8, false, 145, 54, 34, 0, 255, 0)]
    [InlineData(Bt601, 8, false, 41, 240, 110, 0, 0, 255)]
    [InlineData(Unknown, 8, false, 81, 90, 240, 255, 0, 0)]
    [InlineData(Bt709, 8, false, 63, 102, 240, 255, 0, 0)]
    [InlineData(Bt709, 8, false, 173, 42, 26, 0, 255, 0)]
    [InlineData(Bt709, 8, false, 32, 240, 118, 0, 0, 255)]
    [InlineData(Bt709, 10, false, 64, 512, 512, 0, 0, 0)]
    [InlineData(Bt709, 10, false, 940, 512, 512, 255, 255, 255)]
    [InlineData(Bt709, 10, false, 250, 409, 960, 255, 0, 0)]
    [InlineData(Bt2020, 10, false, 294, 387, 960, 255, 0, 0)]
    [InlineData(Bt601, 8, true, 76, 85, 255, 254, 0, 0)]
    [InlineData(Bt601, 8, true, 255, 128, 128, 255, 255, 255)]
    [InlineData(Bt601, 12, true, 4095, 2048, 2048, 255, 255, 255)]
    [InlineData(Identity, 8, true, 20, 30, 10, 10, 20, 30)]
    public void Samples_become_the_colour_that_they_stand_for(int matrix, int bits, bool isFullRange, int y, int u, int v, int red, int green, int blue)
    {
        var rgb = Convert(new(3, bits, matrix, isFullRange, isRgb: false), y, u, v);
        Assert.InRange(rgb[0], red - 2, red + 2);
        Assert.InRange(rgb[1], green - 2, green + 2);
        Assert.InRange(rgb[2], blue - 2, blue + 2);
    }

    [Fact]
    public void Green_blue_and_red_planes_are_put_into_order() =>
        Assert.Equal([10, 20, 30], Convert(new(3, 8, Bt709, isFullRange: true, isRgb: true), 20, 30, 10));

    [Fact]
    public void A_picture_of_one_plane_is_gray() =>
        Assert.Equal([255, 255, 255], Convert(new(1, 8, Bt709, isFullRange: false, isRgb: false), 235, 9, 9));

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(65535, 65535, 65535)]
    [InlineData(0, 65535, 0)]
    [InlineData(65535, 0, 65535)]
    public void Samples_that_can_not_be_are_clamped(int y, int u, int v)
    {
        foreach (var bits in new[] { 8, 10, 16 })
        {
            Assert.All(Convert(new(3, bits, Bt709, isFullRange: false, isRgb: false), y, u, v), each => Assert.InRange(each, 0, 255));
        }

        Assert.Equal(255, Convert(new(3, 8, Bt709, isFullRange: false, isRgb: false), 65535, 128, 128)[1]);
    }

    private static byte[] Convert(RowConverter converter, int first, int second, int third)
    {
        var rgb = new byte[3];
        converter.Convert([(ushort)first], [(ushort)second], [(ushort)third], rgb);
        return rgb;
    }
}
