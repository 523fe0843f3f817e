// A plug-in's memory while it is part of the arena.
namespace VirtioUser.Host.Plugins;

/// <summary>What <see cref="IPluginPlatform.Replace"/> has done.</summary>
public interface IPluginPages
{
    /// <summary>Gives the plug-in memory of its own again at the same address, with the present content; the arena keeps its bytes. Once.</summary>
    /// <returns>False if the plug-in has taken away or replaced a part meanwhile: that was left alone, the rest restored.</returns>
    /// <exception cref="IOException">The system refused: the plug-in's memory, or what is left of it, is still part of the arena. May be called again.</exception>
    bool Restore();

    /// <summary>After a part was left alone: whether these bytes of the arena are seen at another place still, moved there by the plug-in.</summary>
    /// <exception cref="IOException">The system does not tell.</exception>
    bool AreShownElsewhere();
}
