// The bytes of objects that one plug-in keeps for longer than a ping.
using VirtioUser.Host.Instances;
using VirtioUser.Host.Memory;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Plugins;

/// <summary>Answers <c>hold_memory</c> and <c>release_memory</c>. Each instance keeps its own holds, which end with it. Any thread.</summary>
internal sealed class PluginHolds(
    IPluginPlatform platform, DeviceIdentity device, ObjectTable objects, ArenaAddress arena, GuestLog guestLog)
{
    /// <summary>Keeps bytes of an object until <see cref="Release"/>, or until the library has heard of the instance's end.</summary>
    /// <param name="handle">Which instance.</param>
    /// <param name="instance">The instance; null if there is none (any more).</param>
    /// <param name="physicalAddress">Where they begin, as the guest sees it.</param>
    /// <param name="size">How many.</param>
    /// <returns>Where they are in this process, or 0 if that is refused; the log says why.</returns>
    public nint Hold(ulong handle, Instance? instance, ulong physicalAddress, ulong size)
    {
        var isKnown = arena.TryGetOffset(physicalAddress, out var offset);
        var reason = instance is null ? "there is no such instance"
            : size == 0 ? "the size is 0"
            : !isKnown ? ArenaAddress.Unknown
            : instance.FindReference(offset, size) is not { } shared ? "that is not inside an object that the instance holds"
            : instance.Holds.TryAdd(new Hold(shared, physicalAddress, size));
        if (reason is null)
        {
            return platform.GetAddress(offset);
        }

        if (guestLog.Allows(out var log))
        {
            Log.HoldRefused(log, device, size, physicalAddress, handle, reason);
        }

        return 0;
    }

    /// <summary>Ends one <see cref="Hold"/> of the same address and size.</summary>
    /// <returns>False if there is none.</returns>
    public bool Release(Instance instance, ulong physicalAddress, ulong size)
    {
        if (instance.Holds.Remove(physicalAddress, size) is not { } shared)
        {
            return false;
        }

        objects.Release(shared);
        return true;
    }
}
