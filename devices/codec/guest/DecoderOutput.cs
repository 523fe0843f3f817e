// What comes out of a decoder.
namespace VirtioUser.Codec;

/// <summary>The kind of an output.</summary>
public enum DecoderOutputKind
{
    /// <summary>A picture.</summary>
    Frame = 1,

    /// <summary>Something could not be decoded; the stream goes on with the next packet.</summary>
    Error = 2,

    /// <summary>All of a stream has come out.</summary>
    End = 3,
}

/// <summary>What went wrong on the host. The values are those of the protocol.</summary>
public enum DecoderError
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>A packet can not be decoded.</summary>
    Corrupt = 1,

    /// <summary><see cref="VideoDecoderOptions.FrameMemory"/> is too small for the pictures that are needed at the same time.</summary>
    NoRoom = 2,

    /// <summary>A kind of picture that the device can not hand over.</summary>
    Format = 3,

    /// <summary>The host has no memory, or its decoder failed for another reason.</summary>
    Host = 4,
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

    /// <summary>With <see cref="DecoderError.NoRoom"/>: the bytes of the picture that had no room, or 0 if that is not known; otherwise 0.</summary>
    public ulong BytesNeeded { get; init; }
}
