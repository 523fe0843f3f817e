// A part of a mapping as Memory<byte>.
using System.Buffers;

namespace Virtio.Linux;

/// <summary>Shows a checked range of a mapping as memory. The bytes never move, so that pinning costs nothing.</summary>
internal sealed unsafe class MappedMemory(Mapping mapping, ulong offset, int length, IPinCounter? pins) : MemoryManager<byte>
{
    public override Memory<byte> Memory => CreateMemory(length);

    public override Span<byte> GetSpan() => mapping.GetSpan(offset, length);

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(elementIndex);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elementIndex, length);
        pins?.AddPin();
        try
        {
            return new MemoryHandle((byte*)mapping.Address + offset + elementIndex, default, this);
        }
        catch
        {
            pins?.RemovePin();
            throw;
        }
    }

    public override void Unpin() => pins?.RemovePin();

    // The mapping belongs to whoever made it.
    protected override void Dispose(bool disposing)
    {
    }
}
