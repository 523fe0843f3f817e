// How a device in another process is driven.
namespace Virtio.VhostUser;

/// <summary>Options of a <see cref="RemoteDevice"/>.</summary>
public sealed record RemoteDeviceOptions
{
    /// <summary>
    /// The features that the driver understands, of which those that the device offers are used. <see cref="VirtioFeatures.Version1"/>
    /// need not be named: without it there is no device.
    /// </summary>
    public VirtioFeatures Features { get; init; } = VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors;

    /// <summary>Length in bytes of the memory for rings and buffers, a multiple of 4096. Only what is touched is used.</summary>
    public uint MemoryLength { get; init; } = 16 << 20;

    /// <summary>
    /// How long the back-end may take to answer a message. A back-end that serves another front-end at the moment does
    /// not answer at all.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Whether what the back-end maps into shared memory regions must be a memfd that is sealed against shrinking and not of
    /// huge pages. The pages of any other file can be gone when they are touched, which ends this process; switch this off
    /// only for back-ends that are trusted.
    /// </summary>
    public bool RequireSealedMemory { get; init; } = true;
}
