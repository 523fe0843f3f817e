// What a back-end insists on.
namespace Virtio.VhostUser;

/// <summary>Options of a <see cref="BackEnd"/>.</summary>
public sealed record BackEndOptions
{
    /// <summary>The value of <see cref="MaxGuestMemory"/> unless it is set: 1 TiB.</summary>
    public const ulong DefaultMaxGuestMemory = 1UL << 40;

    /// <summary>
    /// The most guest memory in bytes that a memory table may have; what it shows of the device's own shared memory does not
    /// count. It bounds address space and page tables of this process. While a table is replaced, the old and the new one
    /// are mapped, so that the peak is twice as much: more than a quarter of the address space (32 TiB) is not sensible.
    /// </summary>
    public ulong MaxGuestMemory { get; init; } = DefaultMaxGuestMemory;

    /// <summary>
    /// Whether the front-end is trusted with this process's life. If not, guest memory must be a memfd that is sealed
    /// against shrinking and not of huge pages, as memory-backend-memfd of QEMU is: the pages of any other file can be gone
    /// when they are touched, which ends this process with SIGBUS.
    /// </summary>
    public bool TrustFrontEnd { get; init; }

    /// <summary>
    /// The names of all sockets on which this process serves (<see cref="Virtio.Linux.UnixSocket.Name"/>). An end of a connection to one of
    /// them is not taken as a back-end's channel, as one of a connection to the same socket never is: two connections that
    /// kept each other's ends here would live without a front-end.
    /// </summary>
    public IReadOnlyList<byte[]> OwnNames { get; init; } = [];

    /// <summary>
    /// How long, in total, the rest of a message may take once its first byte is there, the front-end to read an answer or a
    /// request, and to answer a request. Settable for tests, which have no time.
    /// </summary>
    internal TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);
}
