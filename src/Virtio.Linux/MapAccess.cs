// How a mapping may be used.
namespace Virtio.Linux;

/// <summary>What a mapping lets its user do.</summary>
public enum MapAccess
{
    /// <summary>Read only. A write ends the process.</summary>
    Read,
    /// <summary>Read and write; writes are seen by everyone who maps the same file.</summary>
    ReadWrite,
}
