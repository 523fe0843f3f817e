// A range that a device keeps for longer than a ping.
namespace VirtioUser.Host.Memory;

/// <summary>A range of an object, which is in use as long as this stands in a <see cref="HoldList"/>.</summary>
internal sealed class Hold(SharedObject shared, ulong physicalAddress, ulong size)
{
    private volatile bool _ended;

    /// <summary>The object.</summary>
    public SharedObject Shared { get; } = shared;

    /// <summary>Where the range begins, as the guest sees it.</summary>
    public ulong PhysicalAddress { get; } = physicalAddress;

    /// <summary>In bytes.</summary>
    public ulong Size { get; } = size;

    /// <summary>Whether the list has let go of it. Any thread.</summary>
    public bool Ended
    {
        get => _ended;
        set => _ended = value;
    }
}
