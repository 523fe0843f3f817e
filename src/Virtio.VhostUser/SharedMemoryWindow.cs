// A front-end's own view of a shared memory region.
using Virtio.Linux;

namespace Virtio.VhostUser;

/// <summary>
/// Maps what a back-end asks for into address space of this process, as a virtual machine monitor maps it into a guest.
/// Handles one region; others are refused.
/// </summary>
/// <param name="shownRegion">The region's identifier.</param>
/// <param name="windowLength">Length of the region in bytes, as <see cref="FrontEnd.GetSharedMemorySizes"/> told.</param>
public class SharedMemoryWindow(int shownRegion, ulong windowLength) : BackEndRequestHandler, IDisposable
{
    private readonly AddressWindow _window = AddressWindow.Reserve(windowLength);

    /// <summary>A part of the region; the caller knows that something is mapped there.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the region.</exception>
    public Span<byte> GetSpan(ulong offset, int count) => _window.GetSpan(offset, count);

    /// <inheritdoc/>
    public override void Map(int region, ulong regionOffset, FileDescriptor descriptor, ulong fileOffset, ulong length, bool writable)
    {
        CheckRegion(region);
        ArgumentNullException.ThrowIfNull(descriptor);
        // Mapping beyond the end of the file would work, and end this process at the first touch.
        if (!Bounds.Contains(descriptor.Size, fileOffset, length))
        {
            throw new VhostUserException($"{length} bytes at {fileOffset} are not in a file of {descriptor.Size}.");
        }

        _window.Map(regionOffset, descriptor, fileOffset, length, writable ? MapAccess.ReadWrite : MapAccess.Read);
    }

    /// <inheritdoc/>
    public override void Unmap(int region, ulong regionOffset, ulong length)
    {
        CheckRegion(region);
        _window.Unmap(regionOffset, length);
    }

    /// <summary>Unmaps everything. The front-end must be disposed before.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Unmaps everything.</summary>
    protected virtual void Dispose(bool disposing) => _window.Dispose();

    private void CheckRegion(int asked)
    {
        if (asked != shownRegion)
        {
            throw new VhostUserException($"There is no shared memory region {asked}.");
        }
    }
}
