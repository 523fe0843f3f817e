// What is sent.
using System.Buffers.Binary;

namespace VirtioUser.Benchmarks.Guest;

/// <summary>Bytes in the program's own memory, which is where a message is before it is sent. They never move.</summary>
internal sealed class Payload
{
    private const int HeaderLength = sizeof(uint);

    private readonly byte[] _buffer;

    /// <summary>Makes bytes that differ.</summary>
    /// <param name="length">How many.</param>
    public Payload(int length)
    {
        _buffer = GC.AllocateUninitializedArray<byte>(HeaderLength + length, pinned: true);
        new Random(1).NextBytes(_buffer);
    }

    /// <summary>How many there are.</summary>
    public int Length => _buffer.Length - HeaderLength;

    /// <summary>The first bytes.</summary>
    public ReadOnlySpan<byte> Bytes(int length) => _buffer.AsSpan(HeaderLength, length);

    /// <summary>The first bytes, with their number in 4 bytes before them.</summary>
    public ReadOnlySpan<byte> WithHeader(int length)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer, (uint)length);
        return _buffer.AsSpan(0, HeaderLength + length);
    }
}
