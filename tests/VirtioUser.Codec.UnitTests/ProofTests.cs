// What ./demo --video takes for a proof.
using VirtioUser.Demo.Video;

namespace VirtioUser.Codec.UnitTests;

public sealed class ProofTests
{
    private static readonly string[] Listing =
    [
        "#format: frame checksums", "#software: Lavf", "#dimensions 0: 64x64",
        "0,          0,          0,        1,     6144, 11", "0,          1,          1,        1,     6144, 22", "0,          2,          2,        1,     6144, 33",
    ];

    [Fact]
    public void The_same_pictures_hold_whoever_listed_them()
    {
        var proof = Proof.Of(Listing, Listing.Select(line => line.Replace("Lavf", "vu-play", StringComparison.Ordinal)));

        Assert.True(proof.Holds);
        Assert.Equal((3, 3), (proof.Frames, proof.Equal));
    }

    [Theory]
    [InlineData(5, "0,          2,          2,        1,     6144, 34", 2)] // another picture
    [InlineData(4, "0,          2,          2,        1,     6144, 22", 2)] // another time
    [InlineData(2, "#dimensions 0: 64x65", 3)]
    public void A_line_that_differs_is_shown(int line, string changed, int equal)
    {
        string[] actual = [.. Listing];
        actual[line] = changed;

        var proof = Proof.Of(Listing, actual);

        Assert.False(proof.Holds);
        Assert.Equal(equal, proof.Equal);
        Assert.Contains(changed, proof.Difference, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_few_and_too_many_pictures_and_none_at_all_do_not_hold()
    {
        Assert.False(Proof.Of(Listing, Listing[..^1]).Holds);
        Assert.False(Proof.Of(Listing[..^1], Listing).Holds);
        Assert.False(Proof.Of(Listing[..3], Listing[..3]).Holds);
    }
}
