// A channel whose device is the test: for schedules and faults that a real device does not produce at will.
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using VirtioUser.Guest.Direct;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.UnitTests;

/// <summary>
/// Takes pings up to <see cref="Room"/> and answers them with their metadata when told to. As the driver does, it
/// keeps answers in their order and lets waits end by readiness or interrupt only.
/// </summary>
internal sealed class FakeChannel : DeviceChannel
{
    private readonly object _gate = new();
    private readonly EventFd _readable = EventFd.Create();
    private readonly EventFd _writable = EventFd.Create();
    private readonly Queue<PingRequest> _sent = new();
    private readonly Queue<uint> _events = new();
    private readonly bool _answersAtOnce;
    private readonly Dictionary<ulong, FileDescriptor> _objects = [];
    private bool _lost;
    private Errno _failure;
    private int _room;

    public FakeChannel(int room = int.MaxValue, bool answersAtOnce = false)
    {
        (_room, _answersAtOnce) = (room, answersAtOnce);
        Update();
    }

    public override DeviceIdentity Identity => new(0x5655, 0x7E57, 1);

    /// <summary>The most pings that one <see cref="Send"/> takes.</summary>
    public int MaximumTaken { get; init; } = int.MaxValue;

    /// <summary>What becomes of a ping that is to be answered in the same call; null = this channel has no such way.</summary>
    public Func<PingRequest, PingOutcome>? InCall { get; init; }

    /// <summary>Signalled each time the channel takes nothing although asked to.</summary>
    public SemaphoreSlim WouldBlock { get; } = new(0);

    /// <summary>Signalled for each ping that was sent.</summary>
    public SemaphoreSlim Sent { get; } = new(0);

    /// <summary>The pings that are not answered yet.</summary>
    public PingRequest[] Pings
    {
        get
        {
            lock (_gate)
            {
                return [.. _sent];
            }
        }
    }

    /// <summary>Whether waits are .NET's own, which <see cref="Thread.Interrupt"/> ends, as those without a driver are.</summary>
    public bool ManagedWaits { get; init; }

    /// <summary>Signalled each time a thread is about to wait, if waits are managed.</summary>
    public SemaphoreSlim Waits { get; } = new(0);

    public bool Closed { get; private set; }

    public List<ulong> Freed { get; } = [];

    /// <summary>How many more pings the channel takes.</summary>
    public int Room
    {
        get
        {
            lock (_gate)
            {
                return _room;
            }
        }
        set { lock (_gate) { _room = value; Update(); } }
    }

    /// <summary>Answers the oldest pings that asked for it, with the low bits of their metadata.</summary>
    public void Answer(int count, uint bits = 0)
    {
        lock (_gate)
        {
            for (; count > 0; count--)
            {
                Answer(_sent.Dequeue(), bits);
            }

            Update();
        }
    }

    /// <summary>Puts an event into the channel as it is.</summary>
    public void Raise(params ReadOnlySpan<uint> revents)
    {
        lock (_gate)
        {
            foreach (var each in revents)
            {
                _events.Enqueue(each);
            }

            Update();
        }
    }

    public void LoseEvents()
    {
        lock (_gate)
        {
            _lost = true;
            Update();
        }
    }

    /// <summary>From now on everything fails; events that are there are received first.</summary>
    public void Fail(Errno errno)
    {
        lock (_gate)
        {
            _failure = errno;
            Update();
        }
    }

    public override int Send(ReadOnlySpan<PingRequest> pings)
    {
        lock (_gate)
        {
            ThrowIfFailed("ping");
            var taken = Math.Min(Math.Min(pings.Length, _room), MaximumTaken);
            if (taken == 0)
            {
                WouldBlock.Release();
            }

            foreach (ref readonly var ping in pings[..taken])
            {
                if (_answersAtOnce)
                {
                    Answer(ping, 0);
                }
                else
                {
                    _sent.Enqueue(ping);
                }
            }

            _room -= taken;
            if (taken > 0 && !_answersAtOnce)
            {
                Sent.Release(taken);
            }

            Update();
            return taken;
        }
    }

    public override PingOutcome Ping(in PingRequest ping, out uint answer)
    {
        answer = (uint)ping.Metadata & Revents.DeviceMask;
        var outcome = InCall?.Invoke(ping) ?? PingOutcome.NotSent;
        lock (_gate)
        {
            ThrowIfFailed("ping");
            if (outcome == PingOutcome.Sent)
            {
                _sent.Enqueue(ping);
                Sent.Release();
            }
        }

        return outcome;
    }

    public override Reception Receive(Span<uint> revents, out int count)
    {
        lock (_gate)
        {
            count = 0;
            if (_lost)
            {
                _lost = false;
                Update();
                return Reception.EventsLost;
            }

            while (count < revents.Length && _events.TryDequeue(out revents[count]))
            {
                count++;
            }

            if (count == 0)
            {
                ThrowIfFailed("read");
            }

            Update();
            return count > 0 ? Reception.Events : Reception.Nothing;
        }
    }

    public override Interrupt CreateInterrupt() => ManagedWaits ? new DirectInterrupt(Update) : base.CreateInterrupt();

    public override PollEvents Wait(PollEvents events, Interrupt interrupt)
    {
        if (ManagedWaits)
        {
            return WaitManaged(events, (DirectInterrupt)interrupt);
        }

        // A descriptor that is closed leaves the set without a word: a duplicate stays.
        var signal = ((DescriptorInterrupt)interrupt).EventFd;
        using var duplicate = signal.Descriptor.Duplicate();
        using var poll = new EventPoll();
        poll.Add(duplicate, 0);
        if (events.HasFlag(PollEvents.In))
        {
            poll.Add(_readable.Descriptor, (ulong)PollEvents.In);
        }

        if (events.HasFlag(PollEvents.Out))
        {
            poll.Add(_writable.Descriptor, (ulong)PollEvents.Out);
        }

        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[3];
        var result = PollEvents.None;
        foreach (var each in ready[..poll.Wait(ready)])
        {
            if (each.Token == 0)
            {
                using var consumed = EventFd.FromDescriptor(duplicate.Duplicate());
                consumed.TryConsume();
                return PollEvents.None;
            }

            result |= (PollEvents)each.Token;
        }

        return result;
    }

    public override ObjectDescription Allocate(ulong length)
    {
        lock (_gate)
        {
            var id = (ulong)_objects.Count + 1;
            var rounded = (length + Limits.PageSize - 1) & ~(ulong)(Limits.PageSize - 1);
            _objects.Add(id, MemFd.Create("object", rounded));
            return new ObjectDescription(id, 0, rounded);
        }
    }

    public override ObjectDescription Import(ulong id) => throw new VirtioUserException(Identity.ToString(), "import", Errno.ENOENT);

    public override void Export(ulong id)
    {
    }

    public override void Free(ulong id)
    {
        lock (_gate)
        {
            Freed.Add(id);
        }
    }

    public override Mapping Map(ObjectDescription description) => Mapping.Map(_objects[description.Id], 0, description.Length);

    protected override void Close()
    {
        Closed = true;
        foreach (var each in _objects.Values)
        {
            each.Dispose();
        }
    }

    private PollEvents WaitManaged(PollEvents events, DirectInterrupt interrupt)
    {
        lock (_gate)
        {
            Waits.Release();
            while (true)
            {
                var ready = (_lost || _events.Count > 0 || _failure != Errno.None ? PollEvents.In : PollEvents.None) |
                    (_room > 0 || _failure != Errno.None ? PollEvents.Out : PollEvents.None);
                if (interrupt.TryConsume())
                {
                    return PollEvents.None;
                }

                if ((ready & events) != PollEvents.None)
                {
                    return ready & events;
                }

                Monitor.Wait(_gate);
            }
        }
    }

    private void Answer(in PingRequest ping, uint bits)
    {
        if (ping.Events != 0)
        {
            _events.Enqueue(((uint)ping.Metadata & Revents.DeviceMask) | bits);
        }
    }

    private void ThrowIfFailed(string operation)
    {
        if (_failure != Errno.None)
        {
            throw new VirtioUserException(Identity.ToString(), operation, _failure);
        }
    }

    /// <summary>Readiness is a level: the descriptors are signalled exactly as long as there is something to do.</summary>
    private void Update()
    {
        if (ManagedWaits)
        {
            lock (_gate)
            {
                Monitor.PulseAll(_gate);
            }
        }

        Set(_readable, _lost || _events.Count > 0 || _failure != Errno.None);
        Set(_writable, _room > 0 || _failure != Errno.None);

        static void Set(EventFd descriptor, bool level)
        {
            descriptor.TryConsume();
            if (level)
            {
                descriptor.Signal();
            }
        }
    }
}
