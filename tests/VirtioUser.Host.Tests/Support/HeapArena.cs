// An arena for the objects of a test.
using VirtioUser.Host.Memory;

namespace VirtioUser.Host.Tests.Support;

/// <summary>Discarding makes zeros, as punching a hole does, and is written down.</summary>
internal sealed class HeapArena(ulong length) : HeapMemory(length), IArenaMemory
{
    private readonly Lock _lock = new();
    private readonly List<(ulong Offset, ulong Length)> _discarded = [];

    /// <summary>When set, discarding throws.</summary>
    public bool DiscardFails { get; set; }

    public IReadOnlyList<(ulong Offset, ulong Length)> Discarded
    {
        get
        {
            lock (_lock)
            {
                return [.. _discarded];
            }
        }
    }

    public void Discard(ulong offset, ulong length)
    {
        if (DiscardFails)
        {
            throw new IOException("No hole today.");
        }

        Assert.True(offset % 4096 == 0 && length % 4096 == 0, $"Discarded {length} bytes at {offset}.");
        GetSpan(offset, (int)length).Clear();
        lock (_lock)
        {
            _discarded.Add((offset, length));
        }
    }
}
