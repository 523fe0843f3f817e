// Telling a guest that something came back on a queue.
namespace VirtioUser.Host;

/// <summary>The device's notifications of one virtqueue (VIRTIO 1.2, 2.7.10).</summary>
public interface IGuestSignal
{
    /// <summary>Whether the guest wants to be told of what was given to it since this was asked last. As the queue: one thread at a time.</summary>
    bool MustSignal();

    /// <summary>
    /// Tells the guest. Any thread, at any time, also when the queue is not there any more: then nothing happens. The other side can make
    /// this take as long as it likes, so no thread that others wait for calls it.
    /// </summary>
    void Signal();
}
