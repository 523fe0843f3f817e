// What may not be done to a memfd any more.
namespace Virtio.Linux;

/// <summary>The seals of a memfd (<c>F_SEAL_*</c>). A seal once set stays.</summary>
[Flags]
public enum Seals
{
    /// <summary>Everything may be done.</summary>
    None = 0,
    /// <summary>No further seal may be set.</summary>
    Seal = 1,
    /// <summary>The file may not become smaller: a page that was mapped stays there.</summary>
    Shrink = 2,
    /// <summary>The file may not become larger.</summary>
    Grow = 4,
    /// <summary>The file may not be written.</summary>
    Write = 8,
    /// <summary>No new writable mapping or write may begin; those that exist stay.</summary>
    FutureWrite = 16,
}
