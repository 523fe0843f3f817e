// Where one picture of a byte stream ends and the next begins.
using FsCheck.Xunit;
using VirtioUser.Codec.UnitTests.Support;

namespace VirtioUser.Codec.UnitTests;

public sealed class AnnexBReaderTests
{
    // Units: a header and a little content. 0x80 begins a slice that is the first of its picture, 0x40 one that is not.
    private static readonly byte[]
        s_delimiter = [0x09, 0xf0], s_sequence = [0x67, 0x42, 0x1e, 0x80], s_parameters = [0x68, 0xce, 0x80], s_message = [0x06, 5, 1, 0x80],
        s_key = [0x65, 0x80, 1, 2], s_keyRest = [0x65, 0x40, 3, 4], s_slice = [0x41, 0x9a, 5, 6], s_sliceRest = [0x01, 0x40, 7, 8],
        s_partitionA = [0x42, 0x88, 1], s_partitionB = [0x43, 0x88, 2], s_filler = [0x0c, 0xff, 0x80], s_endOfSequence = [0x0a];

    [Fact]
    public void Slices_of_a_picture_stay_together_and_what_comes_before_the_next_one_goes_with_that() => Check(
        [s_delimiter, s_sequence, s_parameters, s_message, s_key, s_keyRest],
        [s_delimiter, s_slice, s_sliceRest, s_sliceRest],
        [s_slice],
        [s_message, s_slice, s_filler, s_endOfSequence],
        [s_sequence, s_parameters, s_key]);

    [Fact]
    public void Partitions_of_a_slice_stay_together() => Check(
        [s_partitionA, s_partitionB],
        [s_partitionA, s_partitionB]);

    [Fact]
    public void Pictures_without_anything_before_them_are_told_apart() => Check([s_key], [s_slice], [s_slice], [s_key]);

    [Fact]
    public void Pictures_that_are_larger_than_what_is_read_at_once_are_whole()
    {
        var large = new byte[900_000];
        Array.Fill(large, (byte)0x55);
        (large[0], large[1]) = (0x65, 0x80);
        Check([s_sequence, large], [large], [s_slice]);
    }

    [Fact]
    public void What_comes_behind_the_last_picture_and_is_none_is_left_out()
    {
        var (packets, wrong) = Packets.Read(File([s_key], [s_delimiter, s_sequence]));
        Assert.Null(wrong);
        Assert.Equal(File([s_key]), Assert.Single(packets));
    }

    [Fact]
    public void A_stream_that_ends_within_a_unit_is_read_to_its_end()
    {
        var file = File([s_key], [s_slice]);
        for (var length = file.Length - 1; length > 9; length--)
        {
            var (packets, wrong) = Packets.Read(file[..length]);
            Assert.Null(wrong);
            Assert.InRange(packets.Count, 1, 2);
        }
    }

    [Fact]
    public void A_stream_without_a_picture_is_refused() =>
        Assert.Contains("no picture", Packets.Read(File([s_delimiter, s_sequence, s_parameters])).Wrong, StringComparison.Ordinal);

    [Theory]
    [InlineData(0x65, 0xff)]
    [InlineData(0x06, 0x00)]
    public void A_picture_that_does_not_end_is_refused_before_memory_is(byte type, byte content)
    {
        var file = new byte[(4 * Packets.Maximum) + 100];
        Array.Fill(file, content);
        (file[0], file[1], file[2], file[3], file[4]) = (0, 0, 1, type, 0x80);
        Assert.Contains("more than 1048576 bytes", Packets.Read(file).Wrong, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_of_another_kind_are_refused()
    {
        foreach (var file in new byte[][] { [], [0], [0, 0], new byte[1000], [0, 1, 0x65, 0x80], [0, 0, 2, 0x65], "RIFF____AVI "u8.ToArray() })
            Assert.Contains("neither", Packets.Read(file).Wrong, StringComparison.Ordinal);
    }

    [Property]
    public void Packets_in_a_row_are_the_file_however_it_is_read(byte[] noise, byte most)
    {
        // Few values, so that there are start codes.
        byte[] values = [0, 0, 0, 1, 1, 0x65, 0x41, 0x09, 0x80, 0x40];
        byte[] file = [0, 0, 1, .. s_key, .. noise.Select(each => values[each % values.Length])];
        var (whole, wrong) = Packets.Read(file);
        Assert.Null(wrong);
        var joined = whole.SelectMany(packet => packet).ToArray();
        Assert.Equal(file[..joined.Length], joined);
        Assert.Equal(whole, Packets.Read(file, 1 + most).Packets);
    }

    /// <summary>Writes pictures with both kinds of start codes and reads them, at once and in pieces.</summary>
    private static void Check(params byte[][][] pictures)
    {
        var expected = pictures.Select(picture => File(picture)).ToList();
        var file = File(pictures);
        foreach (var most in new[] { 1, 2, 3, 7, int.MaxValue })
        {
            var (packets, wrong) = Packets.Read(file, most);
            Assert.Null(wrong);
            Assert.Equal(expected, packets);
        }
    }

    private static byte[] File(params byte[][][] pictures) =>
        [.. pictures.SelectMany(units => units.SelectMany((unit, i) => (byte[])(i == 0 ? [0, 0, 0, 1, .. unit] : [0, 0, 1, .. unit])))];
}
