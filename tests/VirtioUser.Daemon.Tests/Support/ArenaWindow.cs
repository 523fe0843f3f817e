// How the hypervisor that a test plays shows the arena to its guest.
using Virtio.Linux;
using Virtio.VhostUser;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>Maps what the daemon asks for, and keeps the descriptor to list it in the memory table.</summary>
internal sealed class ArenaWindow(ulong length, VmOptions options, Action mapped) : SharedMemoryWindow(0, length)
{
    public const ulong GuestAddress = 1UL << 40;

    private readonly ulong _length = length;

    public FileDescriptor? Arena { get; private set; }

    /// <summary>The entry of the memory table, if there is to be one.</summary>
    public FrontEndMemory? Region => options.ListsArena && Arena is { } arena
        ? new FrontEndMemory(arena, 0, GuestAddress, 0x7800_0000_0000, _length)
        : null;

    public override void Map(int region, ulong regionOffset, FileDescriptor descriptor, ulong fileOffset, ulong length, bool writable)
    {
        options.BeforeMap();
        base.Map(region, regionOffset, descriptor, fileOffset, length, writable);
        Arena ??= descriptor.Duplicate();
    }

    public override void Answered(BackEndRequest request) => mapped();

    protected override void Dispose(bool disposing)
    {
        Arena?.Dispose();
        base.Dispose(disposing);
    }
}
