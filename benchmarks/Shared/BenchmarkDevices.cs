// The devices that the benchmarks bring along.
namespace VirtioUser.Benchmarks;

/// <summary>Their identities; all are of version 1.</summary>
internal static class BenchmarkDevices
{
    /// <summary>The vendor of all of them.</summary>
    public const uint Vendor = 0xbe7c;

    /// <summary>Answers with the low bits of the metadata. The back-end in C has this one too.</summary>
    public const uint Echo = 1;

    /// <summary>Works on as many blocks as the metadata says: allocates them, or clears one block that often.</summary>
    public const uint Work = 2;

    /// <summary>Answers with the <see cref="Checksum"/> of the named bytes.</summary>
    public const uint Checksum = 3;

    /// <summary>Writes what the daemon has allocated so far into the named bytes, as a 64-bit number.</summary>
    public const uint Allocated = 4;

    /// <summary>Spins for as many microseconds of processor time as the metadata says, or hangs.</summary>
    public const uint Spin = 32;

    /// <summary>The first one of the project ManyDevices; answers as <see cref="Echo"/> does.</summary>
    public const uint FirstNumbered = 5;

    /// <summary>The version of all of them.</summary>
    public const uint Version = 1;

    /// <summary>In the metadata for <see cref="Work"/>: do the same without allocating.</summary>
    public const ulong WithoutAllocating = 1UL << 32;

    /// <summary>In the metadata for <see cref="Spin"/>: never answer, and use no processor time.</summary>
    public const ulong Hang = 1UL << 32;
}
