// An event on its way to the guest.
using VirtioUser.Host.Instances;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Events;

/// <summary>What an event is to the host.</summary>
internal enum EventKind
{
    /// <summary>The answer to a ping.</summary>
    Answer,

    /// <summary>Sent by the device on its own.</summary>
    Own,

    /// <summary>The host itself has something to say.</summary>
    Notice,

    /// <summary>The last one of an instance, which never leaves the host: what came before is delivered or dropped.</summary>
    End,
}

/// <summary>An event that waits for a buffer of the guest.</summary>
/// <param name="Instance">Whose it is; the unknown instance for the answer to a ping that no instance took.</param>
/// <param name="Message">What the guest sees.</param>
/// <param name="Kind">What it is.</param>
internal readonly record struct EventItem(Instance Instance, EventMessage Message, EventKind Kind);
