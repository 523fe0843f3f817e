// What a file must be like, so that touching a mapping of it cannot end this process.
using Virtio.Linux;

namespace Virtio.VhostUser;

/// <summary>What is asked of a file that the other side wants to have mapped here. The other side may change the file between two answers.</summary>
internal interface ISharedFile
{
    /// <summary>What nobody may do to the file any more. Never waits.</summary>
    Seals Seals { get; }

    /// <summary>The kind of file system that it is in.</summary>
    FileSystemKind FileSystem { get; }

    /// <summary>Its size in bytes.</summary>
    ulong Size { get; }

    /// <summary>Which file it is.</summary>
    FileIdentity Identity { get; }
}

/// <summary>Asks a descriptor.</summary>
internal sealed class SharedFile(FileDescriptor descriptor) : ISharedFile
{
    /// <inheritdoc/>
    public Seals Seals => MemFd.GetSeals(descriptor);

    /// <inheritdoc/>
    public FileSystemKind FileSystem => descriptor.FileSystem;

    /// <inheritdoc/>
    public ulong Size => descriptor.Size;

    /// <inheritdoc/>
    public FileIdentity Identity => descriptor.Identity;

    /// <inheritdoc cref="WhyUnsafe(ISharedFile)"/>
    internal static string? WhyUnsafe(FileDescriptor descriptor) => WhyUnsafe(new SharedFile(descriptor));

    /// <summary>
    /// Looks whether the pages of a file stay once they were there: only those of a memfd in ordinary memory do, sealed
    /// against shrinking.
    /// </summary>
    /// <returns>Null if so; else what is wrong, to be put behind the name of the file.</returns>
    /// <exception cref="LinuxException">The descriptor cannot be asked.</exception>
    internal static string? WhyUnsafe(ISharedFile file)
    {
        // The seals come first. Before them the size means nothing: the file can be shrunk and only then be sealed. And
        // only memfds can be sealed so: other questions to a file of a file system in user space wait for that.
        if ((file.Seals & Seals.Shrink) == 0)
        {
            return "is not sealed against shrinking";
        }

        // Holes can be punched into a sealed file too. Ordinary memory fills them when they are touched.
        return file.FileSystem switch
        {
            FileSystemKind.Tmpfs => null,
            FileSystemKind.HugeTlbFs => "is made of huge pages (hugetlbfs), which may be missing when they are touched",
            var other => $"is in a file system of type 0x{(uint)other:x}, not in ordinary memory",
        };
    }
}
