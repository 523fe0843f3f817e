// How much each connection of a listener may have.
namespace VirtioUser.Daemon;

/// <summary>What a front-end gets and may show, whatever the others do. A listener that is told nothing has the daemon's.</summary>
internal sealed record ConnectionLimits
{
    /// <summary>What an arena size has to be, for messages.</summary>
    public const string ArenaSizes = "a power of two of at least 1G";

    /// <summary>What a bound of guest memory has to be, for messages.</summary>
    public const string GuestMemorySizes = "a size from 1M to 32T";

    /// <summary>The most guest memory that anybody can show: more than a quarter of what a process can address leaves too little for the old table and the new one.</summary>
    public const ulong MostGuestMemory = 32 * ByteSize.TiB;

    // Less than a guest needs is a mistake.
    private const ulong LeastGuestMemory = 1UL << 20;

    // A VIRTIO shared memory region under 1 GiB can land where the guest maps it uncached.
    private const ulong LeastArenaSize = ByteSize.GiB;

    /// <summary>The size of the arena in bytes.</summary>
    public ulong ArenaSize { get; init; } = ByteSize.GiB;

    /// <summary>The most bytes of guest memory that a front-end may show the daemon.</summary>
    public ulong MaxGuestMemory { get; init; } = ByteSize.TiB;

    /// <summary>Whether the front-end is trusted not to end the daemon by its memory.</summary>
    public bool TrustFrontEnd { get; init; }

    /// <summary>Reads an arena size.</summary>
    /// <returns>False where it is none of <see cref="ArenaSizes"/>.</returns>
    public static bool TryParseArenaSize(string text, out ulong size) => ByteSize.TryParse(text, out size) && size >= LeastArenaSize && ulong.IsPow2(size);

    /// <summary>Reads a bound of guest memory.</summary>
    /// <returns>False where it is none of <see cref="GuestMemorySizes"/>.</returns>
    public static bool TryParseGuestMemory(string text, out ulong size) => ByteSize.TryParse(text, out size) && size is >= LeastGuestMemory and <= MostGuestMemory;

    /// <summary>Sets one by the name and the value that a listener's options have.</summary>
    /// <param name="name">The name of an option of the daemon, without the dashes.</param>
    /// <param name="value">Its value.</param>
    /// <param name="error">Why that cannot be, as a part of a sentence.</param>
    /// <returns>Null where there is an error.</returns>
    public ConnectionLimits? With(string name, string value, out string? error)
    {
        ulong size;
        (var changed, error) = name switch
        {
            "arena-size" => TryParseArenaSize(value, out size) ? (this with { ArenaSize = size }, null) : Refuse(ArenaSizes),
            "max-guest-memory" => TryParseGuestMemory(value, out size) ? (this with { MaxGuestMemory = size }, null) : Refuse(GuestMemorySizes),
            "trust-front-end" => value is "on" or "off" ? (this with { TrustFrontEnd = value == "on" }, null) : Refuse("on or off"),
            _ => (null, $"{name} is no option of a listener: these are arena-size, max-guest-memory and trust-front-end. Write a comma in a path twice"),
        };
        return changed;

        (ConnectionLimits?, string?) Refuse(string allowed) => (null, $"{name}={value} is not {allowed}");
    }
}
