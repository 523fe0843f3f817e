// A file that is read in small pieces.
namespace VirtioUser.Codec.UnitTests.Support;

/// <summary>Gives at most a few bytes at a time.</summary>
/// <param name="bytes">All of it.</param>
/// <param name="most">The most bytes of one read.</param>
internal sealed class SlowStream(byte[] bytes, int most) : MemoryStream(bytes, writable: false)
{
    public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, most));

    public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(buffer.Length, most)]);
}
