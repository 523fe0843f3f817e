// Changing sequence parameter sets of H.264.
namespace VirtioUser.Codec.Tests.Corpus.Bits;

/// <summary>Rewrites a sequence parameter set (ITU-T H.264, 7.3.2.1.1) with another identity or other usability information.</summary>
internal static class SequenceParameters
{
    /// <summary>A unit of type 7 with other usability information.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="change">Gets what it had, makes what it gets; null is none.</param>
    public static byte[] WithVui(byte[] unit, Func<Vui?, Vui?> change)
    {
        var payload = Nal.Unescape(unit.AsSpan(1));
        BitReader bits = new(payload);
        Skip(bits);
        var before = bits.Position;
        var vui = change(bits.Flag() ? Vui.Read(bits) : null);
        BitWriter written = new();
        written.Copy(new(payload), before).Flag(vui is not null);
        vui?.Write(written);
        return [unit[0], .. Nal.Escape(written.Stop().ToArray())];
    }

    /// <summary>A unit of type 7 with another seq_parameter_set_id.</summary>
    public static byte[] WithId(byte[] unit, uint id)
    {
        const int Before = 24; // bits: profile, constraints, level
        var payload = Nal.Unescape(unit.AsSpan(1));
        BitReader bits = new(payload);
        BitWriter written = new();
        written.Copy(bits, Before).Number(id);
        bits.Number();
        written.Copy(bits, bits.FindStop() - bits.Position);
        return [unit[0], .. Nal.Escape(written.Stop().ToArray())];
    }

    /// <summary>A unit of type 8 with other pic_parameter_set_id and seq_parameter_set_id.</summary>
    public static byte[] PictureWithId(byte[] unit, uint id, uint sequence)
    {
        var payload = Nal.Unescape(unit.AsSpan(1));
        BitReader bits = new(payload);
        bits.Number();
        bits.Number();
        BitWriter written = new();
        written.Number(id).Number(sequence).Copy(bits, bits.FindStop() - bits.Position);
        return [unit[0], .. Nal.Escape(written.Stop().ToArray())];
    }

    private static void Skip(BitReader bits)
    {
        var profile = bits.Read(8);
        bits.Read(16);
        bits.Number();
        if (profile is 100 or 110 or 122 or 244 or 44)
        {
            if (bits.Number() == 3)
            {
                bits.Flag();
            }

            bits.Number();
            bits.Number();
            bits.Flag();
            if (bits.Flag())
            {
                throw new NotSupportedException("Scaling lists.");
            }
        }

        bits.Number();
        if (bits.Number() is var order && order == 0)
        {
            bits.Number();
        }
        else if (order == 1)
        {
            throw new NotSupportedException("Picture order count of type 1.");
        }

        bits.Number();
        bits.Flag();
        bits.Number();
        bits.Number();
        if (!bits.Flag()) // frame_mbs_only_flag
        {
            bits.Flag();
        }

        bits.Flag();
        if (bits.Flag()) // frame_cropping_flag
        {
            for (var side = 0; side < 4; side++)
            {
                bits.Number();
            }
        }
    }
}
