// An arena longer than memory, for what happens beyond 2 GiB.
using VirtioUser.Host.Memory;

namespace VirtioUser.Host.Tests.Support;

/// <summary>As long as it is told; a span shows the byte at each 64 KiB boundary only once.</summary>
internal sealed class HugeArena(ulong length) : IArenaMemory
{
    private const int Window = 65536;
    private readonly byte[] _window = new byte[2 * Window];

    public ulong Length => length;

    /// <summary>What was asked for last.</summary>
    public ulong LastOffset { get; private set; }

    public Span<byte> GetSpan(ulong offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((ulong)length, Length - offset, nameof(length));
        LastOffset = offset;
        return _window.AsSpan((int)(offset % Window), length);
    }

    public void Discard(ulong offset, ulong length)
    {
    }
}
