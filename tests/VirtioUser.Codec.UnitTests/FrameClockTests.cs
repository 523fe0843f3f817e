// At which numbers pictures are listed.
using VirtioUser.Codec.Play.Writing;

namespace VirtioUser.Codec.UnitTests;

public sealed class FrameClockTests
{
    [Theory]
    [InlineData(30u, 1u, 1u, 30u)]
    [InlineData(30000u, 1001u, 1001u, 30000u)]
    [InlineData(50u, 2u, 1u, 25u)]
    [InlineData(0u, 1u, 1u, 25u)]
    public void Places_are_as_far_apart_as_pictures(uint rate, uint divisor, uint numerator, uint denominator) =>
        Assert.Equal((numerator, denominator), new FrameClock(Stream((1, 1000), (rate, divisor))).TimeBase);

    [Fact]
    public void Pictures_at_their_times_have_one_place_after_the_other() =>
        Assert.Equal([0, 1, 2, 3], Places(Stream((1, 1200000), (25, 1)), 48000, 0, 48000, 96000, 144000));

    [Fact]
    public void Places_stay_empty_where_pictures_are_missing() =>
        Assert.Equal([4, 5, 9], Places(Stream((1, 25), (25, 1)), 1, 4, 5, 9));

    [Fact]
    public void A_picture_that_comes_too_late_for_its_place_is_left_out() =>
        Assert.Equal([3, null, null, 4], Places(Stream((1, 25), (25, 1)), 1, 3, 2, 1, 4));

    [Fact]
    public void Pictures_of_the_same_time_get_a_place_each_only_if_they_last() =>
        Assert.Equal([3, 4, 5, null], Places(Stream((1, 25), (25, 1)), 2, 3, 3, 3, 3));

    [Fact]
    public void Times_between_two_places_go_to_the_nearer_one() =>
        Assert.Equal([0, 1, 2, 4], Places(Stream((1, 1000), (25, 1)), 40, 0, 39, 85, 141));

    [Fact]
    public void A_picture_without_a_time_has_no_place() =>
        Assert.Equal([0, null, 1], Places(Stream((1, 25), (25, 1)), 1, 0, null, 1));

    [Fact]
    public void Times_beyond_all_numbers_have_no_place_and_spoil_no_other() =>
        Assert.Equal([0, null, null, 1], Places(Stream((1, 25), (25, 1)), 1, 0, long.MaxValue, long.MinValue + 1, 1));

    private static VideoStream Stream((uint Numerator, uint Denominator) timeBase, (uint Numerator, uint Denominator) rate) =>
        new() { Codec = VideoCodec.H264, TimeBase = timeBase, FrameRate = rate, Width = 8, Height = 6, SampleAspect = (0, 1) };

    private static List<long?> Places(VideoStream stream, long duration, params long?[] times)
    {
        FrameClock clock = new(stream);
        return [.. times.Select(time => clock.Next(stream, time, duration))];
    }
}
