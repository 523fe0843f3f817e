// One table of the state that outlives a process: rows of a fixed size at a fixed place.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VirtioUser.Devices;

namespace VirtioUser.Host.State;

/// <summary>Rows in memory that a successor process could map.</summary>
/// <typeparam name="T">A row: plain bytes, no references.</typeparam>
/// <param name="memory">The state's memory.</param>
/// <param name="offset">Where row 0 begins, in bytes; a multiple of 64.</param>
/// <param name="count">How many rows there are.</param>
internal sealed class StateTable<T>(ISharedMemory memory, ulong offset, int count)
    where T : unmanaged
{
    /// <summary>How many rows there are.</summary>
    public int Count => count;

    /// <summary>A row, in place.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No such row.</exception>
    public ref T this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)count, nameof(index));
            var size = Unsafe.SizeOf<T>();
            return ref MemoryMarshal.AsRef<T>(memory.GetSpan(offset + ((ulong)index * (ulong)size), size));
        }
    }
}
