// One thing that a hostile peer does, by name, and what the daemon must make of it.
namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>What became of an attack. The last two are never right.</summary>
internal enum Verdict
{
    /// <summary>A negative acknowledgement, an error reply, a failed answer, or the error descriptor; the connection goes on.</summary>
    Refused,

    /// <summary>It had no effect on anybody else, and the connection goes on.</summary>
    Ignored,

    /// <summary>The daemon closed the attacker's connection, or ended in order because it was told to.</summary>
    ConnectionEnded,

    /// <summary>No progress: somebody is not served, a thread spins, or something is not given back.</summary>
    Wedged,

    /// <summary>The daemon's process ended.</summary>
    Crashed,
}

/// <summary>A case.</summary>
/// <param name="Name">What is done; unique among all cases.</param>
/// <param name="Violates">The section that forbids it: of the vhost-user document, of VIRTIO 1.2, or of docs/protocol.md.</param>
/// <param name="Expected">The right verdict.</param>
/// <param name="Action">Does it.</param>
internal sealed record HostileCase(string Name, string Violates, Verdict Expected, Action<Attack> Action)
{
    /// <summary>How long the next peer may have to wait until it is served. What takes longer is wedged.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether the attacker's connections stay open while the next peer comes.</summary>
    public bool StaysConnected { get; init; }

    /// <summary>Whether the case ends the daemon, by asking it to.</summary>
    public bool EndsDaemon { get; init; }

    /// <summary>Options of the daemon for this case, which then has one of its own.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    /// <summary>The same where the daemon serves one connection at a time, so that the next peer waits for the attacker's place.</summary>
    public HostileCase WithOnePlace() => this with { Options = ["--max-connections", "1"] };

    /// <summary>Whether the case needs a daemon that nobody has used before.</summary>
    public bool FreshDaemon { get; init; }

    public static HostileCase Refused(string name, string violates, Action<Attack> action) => new(name, violates, Verdict.Refused, action);

    public static HostileCase Ignored(string name, string violates, Action<Attack> action) => new(name, violates, Verdict.Ignored, action);

    public static HostileCase Ended(string name, string violates, Action<Attack> action) => new(name, violates, Verdict.ConnectionEnded, action);
}

/// <summary>Something was awaited longer than it may take.</summary>
internal sealed class WedgedException(string what) : Exception(what);

/// <summary>The attack did harm that no verdict names: bytes of somebody else were seen, a result was wrong.</summary>
internal sealed class HarmException(string what) : Exception(what);
