// The usability information of an H.264 sequence.
namespace VirtioUser.Codec.Tests.Corpus.Bits;

/// <summary>vui_parameters() as far as timing and reordering go (ITU-T H.264, E.1.1): what else there was is dropped.</summary>
internal sealed record Vui
{
    /// <summary>num_units_in_tick, time_scale and fixed_frame_rate_flag.</summary>
    public (uint Units, uint Scale, bool Fixed)? Timing { get; init; }

    /// <summary>Width and height of a sample; null if not said.</summary>
    public (uint Width, uint Height)? Aspect { get; init; }

    /// <summary>pic_struct_present_flag. Without the messages that it announces it says nothing.</summary>
    public bool PictureStructures { get; init; }

    /// <summary>max_num_reorder_frames and max_dec_frame_buffering of bitstream_restriction; null if there is none.</summary>
    public (uint Reorder, uint Buffering)? Restriction { get; init; }

    public static Vui Read(BitReader bits)
    {
        Vui vui = new();
        if (bits.Flag()) // aspect_ratio_info_present_flag
        {
            const uint Extended = 255;
            var kind = bits.Read(8);
            vui = vui with { Aspect = kind == Extended ? (bits.Read(16), bits.Read(16)) : kind == 1 ? (1, 1) : null };
        }

        if (bits.Flag()) // overscan_info_present_flag
        {
            bits.Flag();
        }

        if (bits.Flag()) // video_signal_type_present_flag
        {
            bits.Read(4);
            if (bits.Flag())
            {
                bits.Read(24);
            }
        }

        if (bits.Flag()) // chroma_loc_info_present_flag
        {
            bits.Number();
            bits.Number();
        }

        if (bits.Flag())
        {
            vui = vui with { Timing = (bits.Read(32), bits.Read(32), bits.Flag()) };
        }

        var (nal, vcl) = (SkipHrd(bits), SkipHrd(bits));
        if (nal || vcl)
        {
            bits.Flag(); // low_delay_hrd_flag
        }

        vui = vui with { PictureStructures = bits.Flag() };
        if (!bits.Flag())
        {
            return vui;
        }

        bits.Flag(); // motion_vectors_over_pic_boundaries_flag
        for (var skipped = 0; skipped < 4; skipped++)
        {
            bits.Number();
        }

        return vui with { Restriction = (bits.Number(), bits.Number()) };
    }

    public void Write(BitWriter bits)
    {
        bits.Flag(Aspect is not null);
        if (Aspect is { } aspect)
        {
            bits.Bits(255, 8).Bits(aspect.Width, 16).Bits(aspect.Height, 16);
        }

        bits.Bits(0, 3).Flag(Timing is not null);
        if (Timing is { } timing)
        {
            bits.Bits(timing.Units, 32).Bits(timing.Scale, 32).Flag(timing.Fixed);
        }

        bits.Bits(0, 2).Flag(PictureStructures).Flag(Restriction is not null);
        if (Restriction is { } restriction)
        {
            bits.Flag(true).Number(0).Number(0).Number(10).Number(10).Number(restriction.Reorder).Number(restriction.Buffering);
        }
    }

    private static bool SkipHrd(BitReader bits)
    {
        if (!bits.Flag())
        {
            return false;
        }

        var schedules = bits.Number() + 1;
        bits.Read(8);
        for (; schedules > 0; schedules--)
        {
            bits.Number();
            bits.Number();
            bits.Flag();
        }

        bits.Read(20);
        return true;
    }
}
