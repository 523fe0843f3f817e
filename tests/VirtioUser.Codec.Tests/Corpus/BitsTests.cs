// The tools by which the corpus is changed.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus;

public sealed class BitsTests
{
    [Theory]
    [InlineData(0, "1")]
    [InlineData(1, "010")]
    [InlineData(4, "00101")]
    [InlineData(255, "00000000100000000")]
    public void Numbers_are_Exp_Golomb_codes(uint number, string bits)
    {
        var bytes = new BitWriter().Number(number).Stop().ToArray();

        Assert.StartsWith(bits + "1", string.Concat(bytes.Select(value => value.ToString("b8", null))), StringComparison.Ordinal);
        BitReader reader = new(bytes);
        Assert.Equal(number, reader.Number());
        Assert.Equal(reader.Position, reader.FindStop());
    }

    [Fact]
    public void A_stream_is_split_at_its_start_codes()
    {
        byte[] stream = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 3, 0, 0, 0, 0, 1, 0x65, 0x88];

        Assert.Equal([[0x67, 1], [0x68, 2, 3], [0x65, 0x88]], Nal.Split(stream));
        Assert.Equal([0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 2, 3, 0, 0, 1, 0x65, 0x88], Nal.Join(Nal.Split(stream), 3));
    }

    [Fact]
    public void No_start_code_is_within_an_escaped_unit()
    {
        byte[] plain = [0, 0, 0, 0, 0, 1, 0, 0, 3, 0, 0, 4, 0, 0];

        var escaped = Nal.Escape(plain);

        Assert.Equal([0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 3, 0, 0, 4, 0, 0], escaped);
        Assert.Equal(plain, Nal.Unescape(escaped));
    }

    [Fact]
    public async Task Usability_information_is_read_and_written_as_x264_does()
    {
        var stream = Nal.Split(await Recipe.H264("bframes=3:b-adapt=0", rate: "30000/1001").MakeAsync(await Workshop.GetAsync()));
        var set = stream.First(unit => Nal.Type(unit) == Nal.Sequence);
        Vui? read = null, again = null;

        var same = SequenceParameters.WithVui(set, vui => read = vui);
        var none = SequenceParameters.WithVui(same, vui => (again = vui) is null ? again : null);

        Assert.Equal((1001u, 60000u), (read!.Timing!.Value.Units, read.Timing.Value.Scale));
        Assert.Equal(2u, read.Restriction!.Value.Reorder);
        Assert.Equal(read, again);
        Assert.True(none.Length < same.Length);
        Assert.Equal(set, SequenceParameters.WithId(SequenceParameters.WithId(set, 5), 0));
    }

    [Fact]
    public async Task An_IVF_file_is_the_same_when_nothing_was_changed()
    {
        var file = await Recipe.Vp9().MakeAsync(await Workshop.GetAsync());

        Assert.Equal(12, IvfFile.Read(file).Packets.Count);
        Assert.Equal(file, IvfFile.Read(file).ToArray());
    }
}
