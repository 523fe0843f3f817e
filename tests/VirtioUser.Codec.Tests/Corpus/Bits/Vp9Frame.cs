// Changing frames of VP9.
namespace VirtioUser.Codec.Tests.Corpus.Bits;

/// <summary>Rewrites the uncompressed header of a VP9 frame (VP9 bitstream specification, 6.2), of profile 0 and small pictures.</summary>
internal static class Vp9Frame
{
    /// <summary>A frame that shows what the decoder has in one of its eight places (show_existing_frame).</summary>
    public static byte[] ShowExisting(int place) => [(byte)(0x88 | place)];

    /// <summary>
    /// The same frame with a size of its own in place of that of its references, which are then scaled. What it shows means
    /// little, but each decoder shows the same. Frames that have no references stay as they are.
    /// </summary>
    public static byte[] WithSize(byte[] frame, int width, int height)
    {
        BitReader bits = new(frame);
        BitWriter written = new();
        var first = bits.Read(4);
        var (existing, inter, shown, resilient) = (bits.Flag(), bits.Flag(), bits.Flag(), bits.Flag());
        if (existing || !inter || (!shown && bits.Flag()))
        {
            return frame;
        }

        written.Bits(first, 4).Flag(existing).Flag(inter).Flag(shown).Flag(resilient);
        if (!shown)
        {
            written.Flag(false);
        }

        // reset_frame_context; refresh_frame_flags, and three references.
        written.Copy(bits, (resilient ? 0 : 2) + 8 + 12);
        if (!bits.Flag())
        {
            return frame;
        }

        // found_ref; then render_and_frame_size_different, and the rest as it was.
        written.Bits(0, 3).Bits((uint)width - 1, 16).Bits((uint)height - 1, 16);
        CopyRest(bits, written, resilient);
        return [.. written.ToArray(), .. frame.AsSpan((bits.Position + 7) / 8)];
    }

    // From render_size to header_size_in_bytes.
    private static void CopyRest(BitReader bits, BitWriter written, bool resilient)
    {
        if (Copied(bits, written))
        {
            written.Copy(bits, 32);
        }

        written.Copy(bits, 1);
        if (!Copied(bits, written))
        {
            written.Copy(bits, 2);
        }

        written.Copy(bits, (resilient ? 0 : 2) + 2 + 9);
        if (Copied(bits, written) && Copied(bits, written))
        {
            for (var delta = 0; delta < 6; delta++)
            {
                CopyOptional(bits, written, 7);
            }
        }

        written.Copy(bits, 8);
        for (var delta = 0; delta < 3; delta++)
        {
            CopyOptional(bits, written, 5);
        }

        if (Copied(bits, written))
        {
            throw new NotSupportedException("Segments.");
        }

        // As few columns as here have no bit for tiles, which rows do.
        CopyOptional(bits, written, 1);
        written.Copy(bits, 16);
    }

    private static void CopyOptional(BitReader bits, BitWriter written, int count)
    {
        if (Copied(bits, written))
        {
            written.Copy(bits, count);
        }
    }

    private static bool Copied(BitReader bits, BitWriter written)
    {
        var flag = bits.Flag();
        written.Flag(flag);
        return flag;
    }
}
