// One table of the state: rows of a fixed size that are made when they are touched first.
namespace VirtioUser.Host.State;

/// <summary>Rows that never move. Any thread; who may touch which row is the callers' affair.</summary>
/// <typeparam name="T">A row: plain bytes, no references.</typeparam>
/// <param name="count">How many rows there are.</param>
internal sealed class StateTable<T>(int count)
    where T : unmanaged
{
    private const int ChunkBits = 8;
    private const int ChunkRows = 1 << ChunkBits;

    private readonly T[]?[] _chunks = new T[]?[(count + ChunkRows - 1) >> ChunkBits];

    /// <summary>How many rows there are.</summary>
    public int Count => count;

    /// <summary>A row, in place.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such row.</exception>
    public ref T this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)count, nameof(index));
            return ref (Volatile.Read(ref _chunks[index >> ChunkBits]) ?? MakeChunk(index >> ChunkBits))[index & (ChunkRows - 1)];
        }
    }

    // Two threads may come at once, for different rows: one chunk wins.
    private T[] MakeChunk(int chunk)
    {
        var made = new T[ChunkRows];
        return Interlocked.CompareExchange(ref _chunks[chunk], made, null) ?? made;
    }
}
