// What comes out of a decoder.
using System.Globalization;

namespace VirtioUser.Codec;

/// <summary>The kind of an output.</summary>
public enum DecoderOutputKind
{
    /// <summary>A picture.</summary>
    Frame = 1,

    /// <summary>Something is lost; the stream goes on, unless the error says something else.</summary>
    Error = 2,

    /// <summary>All of a stream has come out.</summary>
    End = 3,
}

/// <summary>What went wrong on the host. The values are those of the protocol.</summary>
public enum DecoderError
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>A packet cannot be decoded.</summary>
    Corrupt = 1,

    /// <summary><see cref="VideoDecoderOptions.FrameMemory"/> is too small for the pictures that are needed at the same time. One is lost.</summary>
    NoRoom = 2,

    /// <summary>A kind of picture that the device cannot hand over.</summary>
    Format = 3,

    /// <summary>The host has no memory, or its decoder failed for another reason.</summary>
    Host = 4,

    /// <summary>A packet is not complete, or larger than 16 MiB, or there is no way to the next one. The rest of the stream is not read.</summary>
    Input = 5,

    /// <summary>The stream is neither IVF with H.264, VP9 or AV1 nor H.264 as a byte stream. It is not read.</summary>
    Unknown = 6,

    /// <summary>The program keeps 64 pictures, the most that there can be, and waits for another. That one is lost.</summary>
    Kept = 7,
}

/// <summary>A picture, an error or the end of a stream.</summary>
public readonly record struct DecoderOutput
{
    /// <summary>Which of these it is.</summary>
    public required DecoderOutputKind Kind { get; init; }

    /// <summary>The picture, null if it is none. The receiver owns it, and disposes of it when it is not needed any more.</summary>
    public DecodedFrame? Frame { get; init; }

    /// <summary>What went wrong; <see cref="DecoderError.None"/> if nothing did. A later host may have values that are not named here.</summary>
    public DecoderError Error { get; init; }

    /// <summary>
    /// With <see cref="DecoderError.NoRoom"/>: a <see cref="VideoDecoderOptions.FrameMemory"/> that would have done, for a program that keeps as
    /// many pictures as this one does now; 0 if the host cannot tell. Otherwise 0.
    /// </summary>
    public ulong BytesNeeded { get; init; }

    /// <summary>With <see cref="DecoderError.NoRoom"/>: the <see cref="VideoDecoderOptions.FrameMemory"/> that there is. Otherwise 0.</summary>
    public ulong BytesThere { get; init; }

    /// <summary>
    /// With <see cref="DecoderError.Unknown"/>: the four characters by which an IVF file names a codec that the device does not decode, the first in
    /// the lowest byte; 0 if it is no IVF file. Otherwise 0.
    /// </summary>
    public uint FourCC { get; init; }

    /// <summary>What went wrong, in words.</summary>
    /// <returns>A sentence without a full stop; empty if nothing did.</returns>
    public string Describe() => Error switch
    {
        DecoderError.None => "",
        DecoderError.Corrupt => "a packet cannot be decoded",
        DecoderError.NoRoom when BytesNeeded == 0 => Text($"there is no room for a picture: {BytesThere} bytes are too few; how many are enough the host cannot tell"),
        DecoderError.NoRoom => Text($"there is no room for a picture: there are {BytesThere} bytes for pictures, {BytesNeeded} would do"),
        DecoderError.Format => "pictures are of a kind that the device cannot hand over",
        DecoderError.Host => "the host's decoder failed",
        DecoderError.Input => "the stream ends within a packet, has one of more than 16 MiB, or is damaged so that nothing behind it can be found",
        DecoderError.Unknown when FourCC != 0 => Text($"the file is IVF with the codec {Name(FourCC)}; H.264, VP9 and AV1 (H264, VP90 and AV01) are decoded"),
        DecoderError.Unknown => "the stream is neither IVF (of H.264, VP9 or AV1) nor H.264 as a byte stream (Annex B)",
        DecoderError.Kept => Text($"{Protocol.RingEntries} pictures are kept, and no more can be: one is lost"),
        _ => Text($"error {(int)Error} of the device"),
    };

    /// <summary>A codec's name as it is written, or as a number if that cannot be.</summary>
    private static string Name(uint fourCC)
    {
        var characters = string.Create(4, fourCC, static (name, value) =>
        {
            for (var i = 0; i < name.Length; i++)
            {
                name[i] = (char)(byte)(value >> (8 * i));
            }
        });
        return characters.All(char.IsAsciiLetterOrDigit) ? characters : Text($"0x{fourCC:x8}");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
