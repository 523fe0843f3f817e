// An event on its way to the guest.
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Events;

/// <summary>An event that waits for its turn on the event queue.</summary>
/// <param name="Instance">The instance, or null for the answer to a ping that named none.</param>
/// <param name="Handle">The handle to put into the message.</param>
/// <param name="Revents">What happened.</param>
/// <param name="PingSlot">The row of the ping that this answers, or -1.</param>
internal readonly record struct EventItem(Instance? Instance, ulong Handle, uint Revents, int PingSlot);
