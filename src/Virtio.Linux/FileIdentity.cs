// What makes two descriptors the same file.
namespace Virtio.Linux;

/// <summary>The identity of a file: the same for every descriptor of it, in every process.</summary>
/// <param name="Device">The device that holds it (<c>st_dev</c>).</param>
/// <param name="Inode">Its number there (<c>st_ino</c>).</param>
public readonly record struct FileIdentity(ulong Device, ulong Inode);
