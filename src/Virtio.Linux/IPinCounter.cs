// Being told how long native code holds on to a part of a mapping.
namespace Virtio.Linux;

/// <summary>
/// Counts the pins of the memories that <see cref="Mapping.GetMemory"/> returned, so that the mapping can be kept
/// until the last one is gone. Both methods may be called on any thread.
/// </summary>
public interface IPinCounter
{
    /// <summary>Memory is about to be pinned.</summary>
    /// <exception cref="ObjectDisposedException">It is too late; nothing is pinned then.</exception>
    void AddPin();

    /// <summary>A pin ended. Does not throw.</summary>
    void RemovePin();
}
