// What is sent.
using System.Buffers.Binary;

namespace VirtioUser.Benchmarks.Guest;

/// <summary>Bytes in the program's own memory, which is where a message is before it is sent.</summary>
sealed class Payload
{
    const int HeaderLength = sizeof(uint);

    readonly byte[] buffer;

    /// <summary>Makes bytes that differ.</summary>
    /// <param name="length">How many.</param>
    public Payload(int length)
    {
        buffer = new byte[HeaderLength + length];
        new Random(1).NextBytes(buffer);
    }

    /// <summary>How many there are.</summary>
    public int Length => buffer.Length - HeaderLength;

    /// <summary>The first bytes.</summary>
    public ReadOnlySpan<byte> Bytes(int length) => buffer.AsSpan(HeaderLength, length);

    /// <summary>The first bytes, with their number in 4 bytes before them.</summary>
    public ReadOnlySpan<byte> WithHeader(int length)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(buffer, (uint)length);
        return buffer.AsSpan(0, HeaderLength + length);
    }
}
