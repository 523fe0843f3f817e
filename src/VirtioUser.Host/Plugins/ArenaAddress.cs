// Where in the arena an address is that a plug-in names.
namespace VirtioUser.Host.Plugins;

/// <summary>The guest-physical address of the arena's first byte, which changes with the VM and is not always known.</summary>
/// <param name="current">The address now; 0 while the guest does not see the arena, as far as the front-end has told.</param>
internal sealed class ArenaAddress(Func<ulong> current)
{
    /// <summary>Why <see cref="TryGetOffset"/> failed.</summary>
    public const string Unknown = "the guest does not see the shared memory there";

    /// <summary>Turns an address into an offset, which may still be outside of every object.</summary>
    /// <param name="physicalAddress">As the guest sees it.</param>
    /// <param name="offset">In bytes from the arena's first one.</param>
    /// <returns>
    /// False while the arena's address is not known (an offset made without it could be that of another object), and for what lies before it.
    /// </returns>
    public bool TryGetOffset(ulong physicalAddress, out ulong offset)
    {
        var first = current();
        offset = physicalAddress - first;
        return first != 0 && physicalAddress >= first;
    }
}
