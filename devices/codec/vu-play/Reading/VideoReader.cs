// Takes a file apart into packets.
namespace VirtioUser.Codec.Play.Reading;

/// <summary>
/// Reads the packets of a file, one after the other; holds no more than one of them. Files are not trusted: whatever is in
/// one, it ends or a <see cref="VideoFileException"/> tells what is wrong.
/// </summary>
internal abstract class VideoReader : IDisposable
{
    // More zeros than anybody writes before the first start code.
    private const int SignatureLength = 64;

    /// <summary>How the stream is coded.</summary>
    public abstract VideoCodec Codec { get; }

    /// <summary>The unit of timestamps, in seconds, as a fraction.</summary>
    public abstract (uint Numerator, uint Denominator) TimeBase { get; }

    /// <summary>Whether packets have timestamps; if not, they are only counted, and pictures come evenly in the order of showing.</summary>
    public abstract bool HasTimestamps { get; }

    /// <summary>The packet that was read last; valid until the next is read.</summary>
    public abstract ReadOnlySpan<byte> Packet { get; }

    /// <summary>Its timestamp.</summary>
    public long Timestamp { get; protected set; }

    /// <summary>Finds out what a file is.</summary>
    /// <param name="file">The file, at its beginning; belongs to the reader from now on.</param>
    /// <param name="packetMaximum">The largest packet that is of use, in bytes.</param>
    /// <exception cref="VideoFileException">It is nothing that can be read.</exception>
    public static VideoReader Open(Stream file, int packetMaximum)
    {
        var first = new byte[SignatureLength];
        var count = file.ReadAtLeast(first, first.Length, throwOnEndOfStream: false);
        ReadOnlySpan<byte> signature = first.AsSpan(0, count);
        if (signature.StartsWith(IvfReader.Signature))
            return new IvfReader(file, signature, packetMaximum);
        if (signature.IndexOfAnyExcept((byte)0) is var zeros and >= 2 && signature[zeros] == 1)
            return new AnnexBReader(file, signature, packetMaximum);
        throw new VideoFileException("This is neither an IVF file nor H.264 as a byte stream (Annex B). "
            + "From MP4, MKV and others ffmpeg makes one, without coding anew: ffmpeg -i FILE -c copy CLIP.h264, or CLIP.ivf for VP9 and AV1.");
    }

    /// <summary>Reads the next packet.</summary>
    /// <returns>False at the end of the file.</returns>
    /// <exception cref="VideoFileException">What follows is no packet.</exception>
    public abstract bool TryRead();

    /// <inheritdoc/>
    public abstract void Dispose();
}
