// What can be wrong with one descriptor chain.
namespace Virtio.Queues;

/// <summary>
/// Why a chain cannot be used. The ring itself is sound, so that the chain can be returned with 0 bytes written and the
/// queue lives on; only the driver that made the chain loses something.
/// </summary>
public enum ChainError
{
    /// <summary>The chain is good.</summary>
    None,
    /// <summary>A descriptor's <c>next</c> is not a descriptor of the table.</summary>
    NextOutOfRange,
    /// <summary>More descriptors than the queue's size: too long, or a loop (section 2.7.5.1).</summary>
    TooLong,
    /// <summary>An indirect descriptor, without the feature being negotiated.</summary>
    IndirectNotNegotiated,
    /// <summary>An indirect descriptor inside an indirect table (section 2.7.5.3.1).</summary>
    IndirectNested,
    /// <summary>An indirect descriptor that also has a <c>next</c> (section 2.7.5.3.1).</summary>
    IndirectWithNext,
    /// <summary>An indirect table whose length is 0 or not a multiple of 16, or larger than the queue's size allows.</summary>
    IndirectLength,
    /// <summary>An indirect table that is not inside the memory.</summary>
    IndirectOutsideMemory,
    /// <summary>A readable buffer after a writable one (section 2.7.4.2).</summary>
    ReadableAfterWritable,
    /// <summary>A buffer that is not inside the memory.</summary>
    BufferOutsideMemory,
    /// <summary>Buffers of more than 2^32 - 1 bytes together (section 2.7.5.2).</summary>
    TooManyBytes,
}
