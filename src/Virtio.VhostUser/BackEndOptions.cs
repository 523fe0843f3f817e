// What a back-end insists on.
namespace Virtio.VhostUser;

/// <summary>Options of a <see cref="BackEnd"/>.</summary>
public sealed record BackEndOptions
{
    /// <summary>
    /// Whether guest memory must be sealed against shrinking, as memory-backend-memfd of QEMU is. A front-end that shrinks
    /// memory which is not sealed ends this process; switch this off only for front-ends that are trusted.
    /// </summary>
    public bool RequireSealedMemory { get; init; } = true;

    /// <summary>The most bytes of guest memory that a memory table may have in all.</summary>
    public ulong MaxGuestMemory { get; init; } = 1UL << 40;

    /// <summary>Whether the front-end is trusted not to end this process by its memory: files whose pages may fail to appear are taken too.</summary>
    public bool TrustFrontEnd { get; init; }
}
