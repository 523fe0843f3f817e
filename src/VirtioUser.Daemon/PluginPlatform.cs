// Devices from shared libraries, as Linux runs them.
using Virtio.Linux;
using VirtioUser.Host.Plugins;

namespace VirtioUser.Daemon;

/// <summary>Loads libraries.</summary>
internal sealed class PluginLoader : IPluginLoader
{
    /// <inheritdoc/>
    public nint Load(string path) => SharedLibrary.Load(path);
}

/// <summary>Puts pages of an arena in the place of a library's memory.</summary>
/// <param name="arena">The arena.</param>
internal sealed class PluginPlatform(SharedMapping arena) : IPluginPlatform
{
    /// <inheritdoc/>
    public nint GetAddress(ulong arenaOffset) => arena.Address + (nint)arenaOffset;

    /// <inheritdoc/>
    public IPluginPages Replace(nint address, ulong length, ulong arenaOffset) =>
        new Pages(ReplacedPages.Replace(address, length, arena.Descriptor, arenaOffset), arena.Length);

    private sealed class Pages(ReplacedPages replaced, ulong arenaLength) : IPluginPages
    {
        public bool Restore() => replaced.Restore();

        public bool AreShownElsewhere() => replaced.IsShownInPart(arenaLength);
    }
}
