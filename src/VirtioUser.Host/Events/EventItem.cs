// An event on its way to the guest.
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Events;

/// <summary>An event that waits for its turn on the event queue.</summary>
/// <param name="Instance">The instance, or the stranger for the answer to a ping that no instance took.</param>
/// <param name="Handle">The handle to put into the message; 0 is the farewell, which never leaves the host.</param>
/// <param name="Revents">What happened.</param>
/// <param name="PingSlot">The row of the ping that this answers, or -1.</param>
internal readonly record struct EventItem(Instance Instance, ulong Handle, uint Revents, int PingSlot)
{
    /// <summary>The last item of an instance: what it sent before is delivered or dropped when this is reached.</summary>
    public bool IsFarewell => Handle == 0 && PingSlot < 0;

    /// <summary>Makes the last item of an instance.</summary>
    public static EventItem Farewell(Instance instance) => new(instance, 0, 0, -1);
}
