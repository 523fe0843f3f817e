// An H.264 encoder for what x264 does not make.
namespace VirtioUser.Codec.Tests.Corpus.Bits;

/// <summary>A picture to be encoded, or a field of one.</summary>
/// <param name="Order">Its place among the pictures since the last IDR picture, as they are shown.</param>
internal sealed record PlainPicture(int Order)
{
    /// <summary>I: samples as they are. P and B: all macroblocks are skipped, so it looks like what it refers to.</summary>
    public char Type { get; init; } = 'I';

    /// <summary>An IDR picture.</summary>
    public bool Idr { get; init; }

    /// <summary>Whether other pictures may refer to it.</summary>
    public bool Reference { get; init; } = true;

    /// <summary>f: both fields in one; t, b: the top, the bottom field only.</summary>
    public char Structure { get; init; } = 'f';

    /// <summary>The second field of the frame that the picture before began.</summary>
    public bool SecondField { get; init; }

    /// <summary>Of an IDR picture: it stays as a long-term reference.</summary>
    public bool LongTerm { get; init; }
}

/// <summary>
/// Pictures without compression, in any order, of frames or fields: an H.264 byte stream of the main profile (ITU-T H.264,
/// 7.3.2 to 7.3.5). All macroblocks are I_PCM or skipped.
/// </summary>
internal sealed record PlainEncoder
{
    private const int Columns = 2, NumberBits = 8, Block = 16;

    /// <summary>Whether fields are allowed.</summary>
    public bool Fields { get; init; }

    /// <summary>What the sequence parameter set says beside what must be said.</summary>
    public Vui? Vui { get; init; }

    /// <summary>max_num_ref_frames.</summary>
    public uint References { get; init; } = 8;

    /// <summary>pic_order_cnt_type: 0, or 2 where pictures are shown in the order in which they are coded.</summary>
    public uint OrderType { get; init; }

    /// <summary>Slices a picture: 1 or 2 (with fields 1).</summary>
    public int Slices { get; init; } = 1;

    /// <summary>Samples to be cut off at the left, right, top and bottom, in units of two (of four in height with fields).</summary>
    public (uint Left, uint Right, uint Top, uint Bottom)? Cropping { get; init; }

    // Macroblocks, of a frame.
    private int Rows => Fields ? 4 : 2;

    /// <summary>The parameter sets and the pictures, as NAL units.</summary>
    public List<byte[]> Encode(IEnumerable<PlainPicture> pictures)
    {
        List<byte[]> units = [SequenceSet(), PictureSet()];
        var (number, periods) = (0u, 0u);
        var wasReference = false;
        foreach (var picture in pictures)
        {
            if (picture.Idr && !picture.SecondField)
            {
                (number, wasReference) = (0, false);
                periods++;
            }

            if (wasReference && !picture.SecondField)
            {
                number = (number + 1) % (1 << NumberBits);
            }

            wasReference = picture.Reference;
            for (var slice = 0; slice < Slices; slice++)
            {
                units.Add(Slice(picture, number, periods % 2, slice));
            }
        }

        return units;
    }

    private byte[] SequenceSet()
    {
        var bits = new BitWriter().Bits(77, 8).Bits(0, 8).Bits(40, 8).Number(0).Number(NumberBits - 4).Number(OrderType);
        if (OrderType == 0)
        {
            bits.Number(NumberBits - 4);
        }

        bits.Number(References).Flag(false).Number(Columns - 1).Number((uint)(Fields ? Rows / 2 : Rows) - 1).Flag(!Fields);
        if (Fields)
        {
            bits.Flag(false);
        }

        bits.Flag(true).Flag(Cropping is not null);
        if (Cropping is { } cut)
        {
            bits.Number(cut.Left).Number(cut.Right).Number(cut.Top).Number(cut.Bottom);
        }

        bits.Flag(Vui is not null);
        Vui?.Write(bits);
        return Nal.Make(Nal.Sequence, bits.Stop());
    }

    private static byte[] PictureSet() => Nal.Make(
        Nal.Picture,
        new BitWriter().Number(0).Number(0).Bits(0, 2).Number(0).Number(0).Number(0).Bits(0, 3).Signed(0).Signed(0).Signed(0).Flag(true).Bits(0, 2).Stop());

    private byte[] Slice(PlainPicture picture, uint number, uint period, int slice)
    {
        var blocks = Columns * Rows / (picture.Structure == 'f' ? 1 : 2) / Slices;
        var idr = picture is { Idr: true, SecondField: false };
        var bits = new BitWriter().Number((uint)(slice * blocks)).Number(picture.Type switch { 'I' => 7u, 'P' => 5u, _ => 6u }).Number(0).Bits(number, NumberBits);
        if (Fields)
        {
            bits.Flag(picture.Structure != 'f');
            if (picture.Structure != 'f')
            {
                bits.Flag(picture.Structure == 'b');
            }
        }

        if (idr)
        {
            bits.Number(period);
        }

        if (OrderType == 0)
        {
            bits.Bits((uint)((2 * picture.Order) + (picture.Structure == 'b' ? 1 : 0)) % (1 << NumberBits), NumberBits);
        }

        WriteReferences(bits, picture, idr);
        bits.Signed(0).Number(1);
        if (picture.Type != 'I')
        {
            return Unit(picture, idr, bits.Number((uint)blocks).Stop());
        }

        for (var block = 0; block < blocks; block++)
        {
            bits.Number(25).Bytes(Samples((picture.Order * 2) + (picture.Structure == 'b' ? 1 : 0) + (int)(period * 100), (slice * blocks) + block));
        }

        return Unit(picture, idr, bits.Stop());
    }

    private static void WriteReferences(BitWriter bits, PlainPicture picture, bool idr)
    {
        if (picture.Type == 'B')
        {
            bits.Flag(true).Flag(false).Bits(0, 2); // spatial prediction, the usual lists
        }
        else if (picture.Type == 'P')
        {
            bits.Bits(0, 2);
        }

        if (idr)
        {
            bits.Flag(false).Flag(picture.LongTerm);
        }
        else if (picture.Reference)
        {
            bits.Flag(false);
        }
    }

    private static byte[] Unit(PlainPicture picture, bool idr, BitWriter payload) =>
        Nal.Make(idr ? Nal.IdrSlice : Nal.Slice, payload, picture.Reference ? 2 : 0);

    // Luminance that tells pictures and blocks apart, chrominance beside it.
    private static byte[] Samples(int seed, int block) =>
        [.. Enumerable.Range(0, Block * Block * 3 / 2).Select(at => (byte)(16 + (((seed * 7) + (block * 31) + (at / 5)) % 220)))];
}
