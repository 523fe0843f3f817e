// What kind of file system a file is in.
namespace Virtio.Linux;

/// <summary>The kinds of file systems that matter here, by their magic numbers (<c>statfs</c>). Others keep their number.</summary>
public enum FileSystemKind : uint
{
    /// <summary>Ordinary memory, memfds among it: a page that is not there yet is made when it is touched.</summary>
    Tmpfs = 0x01021994,
    /// <summary>Huge pages: taken from a pool that can be empty when one is touched, which then ends the process.</summary>
    HugeTlbFs = 0x958458f6,
}
