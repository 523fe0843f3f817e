// One VM as devices that are shared libraries see it.
using System.Collections.Concurrent;
using VirtioUser.Host.Memory;

namespace VirtioUser.Host.Plugins;

/// <summary>
/// A library is loaded once for a process, and has instances of several VMs over time: what it maps and holds is kept for each VM
/// and goes with that VM's last callback. Any thread.
/// </summary>
/// <param name="platform">How to reach the arena of this VM.</param>
/// <param name="objects">Its objects.</param>
/// <param name="arenaAddress">Where the guest sees the arena; 0 while that is not known.</param>
/// <param name="guestLog">Its budget of log lines.</param>
internal sealed class PluginVm(IPluginPlatform platform, ObjectTable objects, Func<ulong> arenaAddress, GuestLog guestLog)
{
    private readonly ArenaAddress _arena = new(arenaAddress);
    private readonly ConcurrentDictionary<SharedLibraryDevice, (PluginMemory Memory, PluginHolds Holds)> _devices = new();

    /// <summary>The VM's budget of log lines.</summary>
    public GuestLog GuestLog => guestLog;

    /// <summary>What one library has mapped and held.</summary>
    public (PluginMemory Memory, PluginHolds Holds) Of(SharedLibraryDevice device) => _devices.GetOrAdd(
        device,
        added => (
            new PluginMemory(platform, added.Identity, objects, _arena, guestLog),
            new PluginHolds(platform, added.Identity, objects, _arena, guestLog)));
}
