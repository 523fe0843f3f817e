// What the host needs to know of the memory behind the arena.
namespace VirtioUser.Devices;

/// <summary>Memory mapped once for the life of the process, so that spans of it never dangle.</summary>
public interface ISharedMemory
{
    /// <summary>The size in bytes.</summary>
    ulong Length { get; }

    /// <summary>A view of a part.</summary>
    /// <param name="offset">Where the part begins, in bytes.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the memory.</exception>
    Span<byte> GetSpan(ulong offset, int length);
}
