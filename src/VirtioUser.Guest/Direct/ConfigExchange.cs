// The config queues as their driver works them: one exchange of request and reply at a time.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

/// <summary>What came of a config exchange.</summary>
internal enum ExchangeOutcome
{
    /// <summary>A reply to this request.</summary>
    Answered,

    /// <summary>The host replied, and the reply is none to this request.</summary>
    Nonsense,

    /// <summary>The host is gone, or as good as gone.</summary>
    Lost,
}

/// <summary>
/// Sends requests, in order, and waits for their replies. Requests that nobody waits for are posted: a thread of this
/// object's own sends them, or whoever has a request next. Thread-safe.
/// </summary>
internal sealed class ConfigExchange : IDisposable
{
    private readonly object _lock = new();
    private readonly RemoteQueue _requests;
    private readonly RemoteQueue _replies;
    private readonly DriverMemory _memory;
    private readonly GuestBuffer _request;
    private readonly GuestBuffer _reply;
    private readonly EventPoll _poll = new();
    private readonly Queue<ConfigMessage> _posted = new();
    private ulong _tag;
    private Thread? _poster;
    private volatile bool _closed;

    /// <summary>Makes it for a device that is started.</summary>
    public ConfigExchange(RemoteDevice device)
    {
        (_requests, _replies, _memory) = (device.Queues[Limits.ConfigTxQueue], device.Queues[Limits.ConfigRxQueue], device.Memory);
        (_request, _reply) = (_memory.Allocate(ConfigMessage.Size), _memory.Allocate(ConfigMessage.Size));
        _poll.Add(_replies.Call.Descriptor, 0);
        _poll.Add(device.Connection, 1, PollEvents.None);
    }

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <param name="request">The request.</param>
    /// <param name="reply">The reply; its <see cref="ConfigMessage.Error"/> is the caller's to look at.</param>
    public ExchangeOutcome Exchange(in ConfigMessage request, out ConfigMessage reply)
    {
        using (Gate.Enter(_lock))
        {
            SendPosted();
            return ExchangeNow(in request, out reply);
        }
    }

    /// <summary>Has a request sent whose reply nobody wants, before any that is made later. Does not wait.</summary>
    public void Post(in ConfigMessage request)
    {
        using (Gate.Enter(_posted))
        {
            _posted.Enqueue(request);
            if (_poster is null)
            {
                var poster = new Thread(SendWhatIsPosted) { IsBackground = true, Name = "virtio-user config" };
                try
                {
                    poster.Start();
                    _poster = poster;
                }
                catch (OutOfMemoryException)
                {
                    // No thread is left: whoever has a request next sends it, and the next to post tries again.
                }
            }

            Monitor.PulseAll(_posted);
        }
    }

    /// <summary>The memory is about to go: nothing is touched from now on. The connection must be over.</summary>
    public void Dispose()
    {
        using (Gate.Enter(_lock))
        {
            _closed = true;
            _poll.Dispose();
        }

        using (Gate.Enter(_posted))
        {
            _posted.Clear();
            Monitor.PulseAll(_posted);
        }
    }

    private void SendWhatIsPosted()
    {
        while (true)
        {
            using (Gate.Enter(_posted))
            {
                while (_posted.Count == 0 && !_closed)
                {
                    Monitor.Wait(_posted);
                }
            }

            using (Gate.Enter(_lock))
            {
                if (_closed)
                {
                    return;
                }

                SendPosted();
            }
        }
    }

    private void SendPosted()
    {
        while (true)
        {
            ConfigMessage request;
            using (Gate.Enter(_posted))
            {
                if (!_posted.TryDequeue(out request))
                {
                    return;
                }
            }

            ExchangeNow(in request, out _);
        }
    }

    private ExchangeOutcome ExchangeNow(in ConfigMessage request, out ConfigMessage reply)
    {
        reply = default;
        if (_closed)
        {
            return ExchangeOutcome.Lost;
        }

        try
        {
            var sent = request;
            sent.Tag = ++_tag;
            MemoryMarshal.Write(_memory.GetSpan(_request), in sent);
            _replies.Driver.TryAdd([], [_reply], 0);
            _replies.KickIfWanted();
            if (!_requests.Driver.TryAdd([_request], [], 0))
            {
                return ExchangeOutcome.Lost; // the host answered again and again, and kept every entry
            }

            _requests.KickIfWanted();
            uint written;
            while (!_replies.Driver.TryReclaim(out _, out written))
            {
                if (!_replies.Driver.EnableCalls() && !WaitForCall())
                {
                    return ExchangeOutcome.Lost;
                }
            }

            reply = ConfigMessage.Read(_memory.GetSpan(_reply));

            while (_requests.Driver.TryReclaim(out _, out _))
            {
                // The host has taken the request, or there would be no reply; when its entry comes back does not matter.
            }

            return written == ConfigMessage.Size && reply.Operation == sent.Operation && reply.Tag == sent.Tag ? ExchangeOutcome.Answered : ExchangeOutcome.Nonsense;
        }
        catch (QueueException)
        {
            return ExchangeOutcome.Lost;
        }
    }

    private bool WaitForCall()
    {
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[2];
        foreach (var each in ready[.._poll.Wait(ready)])
        {
            if (each.Token != 0)
            {
                return false;
            }
        }

        _replies.Call.TryConsume();
        return true;
    }
}
