// The way to one instance of a device: a file of the guest driver, or a daemon's own socket.
using Virtio.Linux;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Channels;

/// <summary>What came of an attempt to receive.</summary>
internal enum Reception
{
    /// <summary>One or more events.</summary>
    Events,

    /// <summary>Nothing is there yet.</summary>
    Nothing,

    /// <summary>Events were dropped since the last time; what is still there can be received next.</summary>
    EventsLost,
}

/// <summary>What came of an attempt to send a ping and have its answer at once.</summary>
internal enum PingOutcome
{
    /// <summary>The ping was not sent: there is no room, or this channel has no such way at the moment.</summary>
    NotSent,

    /// <summary>The ping was sent; its answer will come as an event.</summary>
    Sent,

    /// <summary>The ping was sent, and this is its answer.</summary>
    Answered,
}

/// <summary>A shared-memory object as the host describes it.</summary>
/// <param name="Id">Never 0.</param>
/// <param name="Offset">Where it begins in the arena, in bytes.</param>
/// <param name="Length">In bytes, a multiple of the page size.</param>
internal readonly record struct ObjectDescription(ulong Id, ulong Offset, ulong Length);

/// <summary>
/// Sends pings to one instance, receives its events and asks for memory; never blocks but in the waits and for the
/// host's replies to memory operations. All members may be called from any thread. Failures are
/// <see cref="VirtioUserException"/>.
/// </summary>
internal abstract class DeviceChannel : IDisposable
{
    private int _references = 1;

    /// <summary>The device; the channel's maker knows it.</summary>
    public abstract DeviceIdentity Identity { get; }

    /// <summary>Sends pings, in order.</summary>
    /// <returns>How many were taken; 0 if the next one would have to wait.</returns>
    public abstract int Send(ReadOnlySpan<PingRequest> pings);

    /// <summary>
    /// Sends a ping that wants an answer and waits a short, bounded time for it. Only while no other answer of this
    /// instance is awaited.
    /// </summary>
    /// <param name="ping">The ping; its <see cref="PingRequest.Events"/> is not 0.</param>
    /// <param name="answer">The answer, for <see cref="PingOutcome.Answered"/>.</param>
    public virtual PingOutcome Ping(in PingRequest ping, out uint answer)
    {
        answer = 0;
        return PingOutcome.NotSent;
    }

    /// <summary>Receives events, oldest first.</summary>
    /// <param name="revents">Where their values go.</param>
    /// <param name="count">How many came.</param>
    public abstract Reception Receive(Span<uint> revents, out int count);

    /// <summary>Waits until something can be sent (<see cref="PollEvents.Out"/>) or received (<see cref="PollEvents.In"/>).</summary>
    /// <param name="events">What to wait for. A failure to be picked up by sending or receiving ends the wait too.</param>
    /// <param name="interrupt">Ends the wait when signalled; of this channel's <see cref="CreateInterrupt"/>.</param>
    /// <returns>What happened; nothing if interrupted, and then the interrupt is consumed.</returns>
    public abstract PollEvents Wait(PollEvents events, Interrupt interrupt);

    /// <summary>Makes an interrupt for this channel's waits; the caller owns it.</summary>
    public virtual Interrupt CreateInterrupt() => new DescriptorInterrupt();

    /// <summary>Makes an object of at least this many bytes.</summary>
    public abstract ObjectDescription Allocate(ulong length);

    /// <summary>Takes a reference to an object that another instance exported.</summary>
    public abstract ObjectDescription Import(ulong id);

    /// <summary>Lets other instances import an object.</summary>
    public abstract void Export(ulong id);

    /// <summary>Gives the instance's reference back.</summary>
    public abstract void Free(ulong id);

    /// <summary>Asks the host why the last ping failed, or why the instance has ended. Waits for the reply; no failure is thrown.</summary>
    /// <returns>Empty if the host does not say, or cannot be asked this way.</returns>
    public virtual string Explain() => "";

    /// <summary>Maps an object that the instance holds.</summary>
    public abstract Mapping Map(ObjectDescription description);

    /// <summary>Keeps the channel open for one more user.</summary>
    /// <exception cref="ObjectDisposedException">The last user is gone already.</exception>
    public void AddReference()
    {
        int references;
        do
        {
            references = Volatile.Read(ref _references);
            ObjectDisposedException.ThrowIf(references == 0, typeof(VirtioUserDevice));
        }
        while (Interlocked.CompareExchange(ref _references, references + 1, references) != references);
    }

    /// <summary>Ends one user's interest: the last one's ends the instance.</summary>
    public void Dispose()
    {
        if (Interlocked.Decrement(ref _references) == 0)
        {
            Close();
        }
    }

    /// <summary>Makes the exception for a failed operation.</summary>
    protected VirtioUserException Failure(string operation, LinuxException cause) =>
        new(Identity.ToString(), operation, cause.Errno, cause);

    /// <summary>Ends the instance.</summary>
    protected abstract void Close();
}
