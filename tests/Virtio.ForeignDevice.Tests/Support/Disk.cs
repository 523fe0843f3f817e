// A disk image of random bytes, and the socket on which it is offered.
using VirtioUser.Vm;

namespace Virtio.ForeignDevice.Tests.Support;

/// <summary>Made anew for each test.</summary>
internal sealed class Disk : IDisposable
{
    /// <summary>In bytes: some MiB, and no round number of anything but sectors.</summary>
    internal const int Length = (4 << 20) + 7 * BlockDriver.SectorSize;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vb-");

    internal Disk()
    {
        new Random(20190214).NextBytes(Bytes);
        File.WriteAllBytes(ImagePath, Bytes);
    }

    /// <summary>What the disk was made with.</summary>
    internal byte[] Bytes { get; } = new byte[Length];

    internal string SocketPath => Path.Combine(_folder.FullName, "s");

    private string ImagePath => Path.Combine(_folder.FullName, "disk");

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>What the disk holds now.</summary>
    internal byte[] ReadImage() => File.ReadAllBytes(ImagePath);

    /// <summary>Starts a storage daemon for it; the one before must have ended.</summary>
    internal async Task<StorageDaemon> OfferAsync() =>
        await StorageDaemon.StartAsync(await StorageDaemonTree.PrepareAsync(cancellationToken: Cancelled), ImagePath, SocketPath, Cancelled);

    public void Dispose() => _folder.Delete(recursive: true);
}
