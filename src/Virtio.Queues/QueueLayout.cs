// Where the three parts of a split virtqueue are.
namespace Virtio.Queues;

/// <summary>
/// The size and the guest-physical addresses of a split virtqueue (virtio 1.2, section 2.7).
/// </summary>
/// <param name="Size">Number of descriptors: a power of two, 1 to 32768.</param>
/// <param name="DescriptorTable">Address of the descriptor table, a multiple of 16.</param>
/// <param name="AvailableRing">Address of the available ring, which the driver writes; a multiple of 2.</param>
/// <param name="UsedRing">Address of the used ring, which the device writes; a multiple of 4.</param>
public readonly record struct QueueLayout(ushort Size, ulong DescriptorTable, ulong AvailableRing, ulong UsedRing)
{
    /// <summary>The largest size that the specification allows.</summary>
    public const ushort MaximumSize = 32768;

    /// <summary>Length of the descriptor table in bytes.</summary>
    public uint DescriptorTableLength => 16u * Size;

    /// <summary>Length of the available ring in bytes, with the <c>used_event</c> field at its end.</summary>
    public uint AvailableRingLength => 6u + 2u * Size;

    /// <summary>Length of the used ring in bytes, with the <c>avail_event</c> field at its end.</summary>
    public uint UsedRingLength => 6u + 8u * Size;

    /// <summary>Places the three parts one behind the other, as simple drivers do.</summary>
    /// <param name="size">Number of descriptors.</param>
    /// <param name="address">Address of the first byte, a multiple of 16.</param>
    public static QueueLayout At(ushort size, ulong address)
    {
        var available = address + 16u * size;
        var used = (available + 6u + 2u * size + 3) & ~3UL;
        return new QueueLayout(size, address, available, used);
    }

    /// <summary>Number of bytes that <see cref="At"/> takes for a queue of this size.</summary>
    public static uint LengthOf(ushort size)
    {
        var layout = At(size, 0);
        return (uint)layout.UsedRing + layout.UsedRingLength;
    }

    /// <summary>Checks size, alignment (section 2.7) and that all parts are memory.</summary>
    /// <exception cref="QueueException">Something is wrong; the message says what.</exception>
    public void Validate(GuestMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        if (Size is 0 or > MaximumSize || (Size & (Size - 1)) != 0)
        {
            throw new QueueException($"A queue size of {Size} is not a power of two between 1 and {MaximumSize}.");
        }

        CheckPart(memory, "descriptor table", DescriptorTable, DescriptorTableLength, 16);
        CheckPart(memory, "available ring", AvailableRing, AvailableRingLength, 2);
        CheckPart(memory, "used ring", UsedRing, UsedRingLength, 4);
    }

    private static void CheckPart(GuestMemory memory, string name, ulong address, uint length, uint alignment)
    {
        if (address % alignment != 0)
        {
            throw new QueueException($"The {name} at 0x{address:x} is not aligned to {alignment} bytes.");
        }

        if (!memory.TryGetSpan(address, length, out _))
        {
            throw new QueueException($"The {name} (0x{address:x}, {length} bytes) is not inside the memory.");
        }
    }
}
