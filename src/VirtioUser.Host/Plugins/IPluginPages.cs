// A plug-in's memory while it is part of the arena.
namespace VirtioUser.Host.Plugins;

/// <summary>What <see cref="IPluginPlatform.Replace"/> has done.</summary>
public interface IPluginPages
{
    /// <summary>Gives the plug-in memory of its own again at the same address, with the present content; the arena keeps its bytes. Once.</summary>
    /// <returns>False if the plug-in has put something else there meanwhile: that was left alone.</returns>
    /// <exception cref="IOException">The system refused: the plug-in's memory is still part of the arena.</exception>
    bool Restore();
}
