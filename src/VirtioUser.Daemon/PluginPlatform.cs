// Devices from shared libraries, as Linux runs them.
using Virtio.Linux;
using VirtioUser.Host.Plugins;

namespace VirtioUser.Daemon;

/// <summary>Loads libraries, and puts pages of the arena in the place of their memory.</summary>
/// <param name="arena">The arena.</param>
internal sealed class PluginPlatform(SharedMapping arena) : IPluginPlatform
{
    /// <inheritdoc/>
    public nint Load(string path) => SharedLibrary.Load(path);

    /// <inheritdoc/>
    public nint GetAddress(ulong arenaOffset) => arena.Address + (nint)arenaOffset;

    /// <inheritdoc/>
    public IPluginPages Replace(nint address, ulong length, ulong arenaOffset) =>
        new Pages(ReplacedPages.Replace(address, length, arena.Descriptor, arenaOffset), arena);

    private sealed class Pages(ReplacedPages replaced, SharedMapping arena) : IPluginPages
    {
        public bool Restore() => replaced.Restore();

        public bool AreShownElsewhere() => replaced.IsShownInPart(arena.Length);
    }
}
