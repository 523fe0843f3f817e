// How a decoder is set up.
namespace VirtioUser.Codec;

/// <summary>What a <see cref="VideoDecoder"/> is to decode, and how much memory it shares with the host for that.</summary>
/// <param name="Codec">How the stream is coded.</param>
public sealed record VideoDecoderOptions(VideoCodec Codec)
{
    /// <summary>The decoder's threads on the host, 0 to 16; 0 lets the host choose.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Bytes for packets that the host has not taken yet: at least those of the largest packet. 4096 bytes to 1 GiB;
    /// rounded up to whole pages.
    /// </summary>
    public long PacketMemory { get; init; } = 8 << 20;

    /// <summary>
    /// Bytes for pictures, up to 64 GiB: those that the program holds and those that the decoder refers to (up to 16, and one for
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
        ArgumentOutOfRangeException.ThrowIfLessThan(PacketMemory, 4096);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(PacketMemory, 1L << 30);
        ArgumentOutOfRangeException.ThrowIfLessThan(FrameMemory, 4096);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(FrameMemory, 64L << 30);
        ArgumentOutOfRangeException.ThrowIfLessThan(OutputBatch, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(OutputBatch, (int)Protocol.RingEntries / 2);
    }
}
