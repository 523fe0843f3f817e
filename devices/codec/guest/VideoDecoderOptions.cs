// How a decoder is set up.
namespace VirtioUser.Codec;

/// <summary>How a <see cref="VideoDecoder"/> decodes, and how much memory it shares with the host for that.</summary>
public sealed record VideoDecoderOptions
{
    /// <summary>The decoder's threads on the host, 0 to 16; 0 lets the host choose.</summary>
    public int Threads { get; init; }

    /// <summary>Bytes for input that the host has not taken yet, 4096 bytes to 1 GiB; rounded up to whole pages.</summary>
    public long InputMemory { get; init; } = 2 << 20;

    /// <summary>
    /// Bytes for pictures, up to 64 GiB: those that the program holds and those that the decoder refers to (up to 16, and two for
    /// each of its threads). Pages that are never used cost nothing. Rounded up to whole pages.
    /// </summary>
    public long FrameMemory { get; init; } = 256 << 20;

    /// <summary>
    /// For how many pictures one wake-up is worth while, 1 to 32. A busy host lets so many come together before it wakes
    /// <see cref="VideoDecoder.Wait"/>; a host that has nothing left to do wakes it for one.
    /// </summary>
    public int OutputBatch { get; init; } = 8;

    /// <summary>Throws what describes a value that is out of range.</summary>
    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Threads);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Threads, Protocol.ThreadsMax);
        ArgumentOutOfRangeException.ThrowIfLessThan(InputMemory, 4096);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(InputMemory, 1L << 30);
        ArgumentOutOfRangeException.ThrowIfLessThan(FrameMemory, 4096);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FrameMemory, 64L << 30);
        ArgumentOutOfRangeException.ThrowIfLessThan(OutputBatch, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(OutputBatch, (int)Protocol.RingEntries / 2);
    }
}
