// Memory for the host's state.
using VirtioUser.Devices;

namespace VirtioUser.Host.Tests.Support;

/// <summary>Zeroed bytes of the heap that do not move.</summary>
internal class HeapMemory(ulong length) : ISharedMemory
{
    protected byte[] Bytes { get; } = GC.AllocateArray<byte>((int)length, pinned: true);

    public ulong Length => length;

    public Span<byte> GetSpan(ulong offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)length, Length - offset, nameof(length));
        return Bytes.AsSpan((int)offset, length);
    }
}
