// Virtqueues 0 and 1: config requests and their replies.
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Daemon.Trying;
using VirtioUser.Host;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>
/// One thread that takes a request, has it answered, and waits for a buffer to put the reply in. A request is
/// not taken before the guest can see the arena, so that a driver may map an object as soon as it has the reply.
/// The rings are touched under a lock that is never held while a device's callback runs.
/// </summary>
internal sealed class ConfigQueues(DeviceModel model, Host.HostOptions options, QueueFaults faults, ILogger<ConfigQueues> logger, Trace? trace = null) : IDisposable
{
    private const ulong WakeToken = Limits.QueueCount;

    private readonly Lock _lock = new();
    private readonly GuestLog _guestLog = new(logger);
    private readonly EventPoll _poll = new();
    private readonly EventFd _wake = EventFd.Create();
    private readonly byte[] _request = new byte[ConfigMessage.Size + 1];
    private StartedQueue? _requests;
    private StartedQueue? _replies;
    private ConfigMessage? _reply;
    private bool _open;
    private int _driver;
    private Task? _oldDriver;
    private volatile bool _stopping;

    /// <summary>Starts the thread.</summary>
    public void Start()
    {
        _poll.Add(_wake.Descriptor, WakeToken);
        new Thread(Main) { IsBackground = true, Name = "config queues" }.Start();
    }

    /// <summary>Begins to use a queue; both are needed before anything happens.</summary>
    public void Attach(StartedQueue queue)
    {
        _poll.Add(queue.Kick.Descriptor, (ulong)queue.Index);
        lock (_lock)
        {
            Place(queue.Index) = queue;
        }

        _wake.Signal();
    }

    /// <summary>Ends the use of a queue. When this returns it is not touched any more.</summary>
    public void Detach(int index)
    {
        StartedQueue? queue;
        lock (_lock)
        {
            queue = Place(index);
            Place(index) = null;
        }

        if (queue is not null)
        {
            _poll.Remove(queue.Kick.Descriptor);
        }
    }

    /// <summary>The driver is gone: replies that were meant for it are dropped. Comes before its instances are ended.</summary>
    public void ForgetDriver()
    {
        lock (_lock)
        {
            _driver++;
            _reply = null;
        }
    }

    /// <summary>Makes the next driver wait for what the ones before hold. Both queues must be detached.</summary>
    /// <param name="ended">Complete when everything was given back.</param>
    public void WaitFor(Task ended)
    {
        lock (_lock)
        {
            _oldDriver = ended;
        }
    }

    /// <summary>Lets requests be taken, or makes them wait: the guest sees the arena, or does not.</summary>
    public void SetOpen(bool open)
    {
        lock (_lock)
        {
            _open = open;
        }

        _wake.Signal();
    }

    /// <summary>Ends the thread, after the callback that it may be in.</summary>
    public void Dispose()
    {
        _stopping = true;
        _wake.Signal();
        _guestLog.Dispose();
    }

    private ref StartedQueue? Place(int index) => ref index == Limits.ConfigTxQueue ? ref _requests : ref _replies;

    private void Main()
    {
        while (!_stopping)
        {
            WaitForOldDriver();
            if (TryTakeRequest(out var length, out var driver))
            {
                var reply = model.HandleConfig(_request.AsSpan(0, length));
                trace?.Config(_request.AsSpan(0, length), in reply);
                if (!TryKeepReply(in reply, driver))
                {
                    Undo(in reply);
                }
            }
            else
            {
                Wait();
            }

            TrySendReply();
        }
    }

    private void WaitForOldDriver()
    {
        Task? oldDriver;
        lock (_lock)
        {
            oldDriver = _oldDriver;
            _oldDriver = null;
        }

        // As long as for an instance that is closed. What a callback holds that takes longer is missing to the new driver.
        oldDriver?.Wait(options.DestroyTimeout);
    }

    /// <summary>Takes the next request, if its reply will be the only one on its way.</summary>
    private bool TryTakeRequest(out int length, out int driver)
    {
        StartedQueue? queue = null;
        QueueException? fault = null;
        bool taken = false, mustCall = false;
        length = 0;
        lock (_lock)
        {
            driver = _driver;
            if (_open && _oldDriver is null && _reply is null && _replies is not null && _requests is not null)
            {
                queue = _requests;
                try
                {
                    taken = TryCopyRequest(queue.Queue, out length);
                    mustCall = queue.Queue.MustCall();
                }
                catch (QueueException e)
                {
                    fault = e;
                }
            }
        }

        Tell(queue, mustCall, fault);
        return taken && fault is null;
    }

    private bool TryCopyRequest(DeviceQueue queue, out int length)
    {
        length = 0;
        DescriptorChain chain;
        while (!queue.TryTake(out chain))
        {
            if (!queue.EnableKicks())
            {
                return false;
            }
        }

        // One byte more than a message is room enough to see that a request is too long.
        length = chain.CopyTo(_request);
        queue.Return(chain.Head, 0);
        return true;
    }

    /// <summary>Signals the front-end: outside the lock, since it can make that take as long as the connection lasts.</summary>
    private void Tell(StartedQueue? queue, bool mustCall, QueueException? fault)
    {
        if (fault is not null)
        {
            faults.Report(queue!, fault);
        }
        else if (mustCall)
        {
            queue!.Call.Signal();
        }
    }

    private bool TryKeepReply(in ConfigMessage reply, int driver)
    {
        lock (_lock)
        {
            if (driver != _driver)
            {
                return false;
            }

            _reply = reply;
            return true;
        }
    }

    /// <summary>The driver went away between request and reply, so nobody knows of an instance that was made for it.</summary>
    private void Undo(in ConfigMessage reply)
    {
        if (reply is { Operation: ConfigOperation.CreateInstance, Error: ConfigError.None })
        {
            var request = new ConfigMessage { Operation = ConfigOperation.DestroyInstance, InstanceHandle = reply.InstanceHandle };
            model.HandleConfig(MemoryMarshal.AsBytes(new ReadOnlySpan<ConfigMessage>(in request)));
        }
    }

    private void TrySendReply()
    {
        StartedQueue? queue = null;
        QueueException? fault = null;
        var mustCall = false;
        lock (_lock)
        {
            if (_reply is { } reply && _replies is not null)
            {
                queue = _replies;
                try
                {
                    SendTo(queue.Queue, in reply);
                    mustCall = queue.Queue.MustCall();
                }
                catch (QueueException e)
                {
                    fault = e;
                    _reply = null;
                }
            }
        }

        Tell(queue, mustCall, fault);
    }

    private void SendTo(DeviceQueue queue, in ConfigMessage reply)
    {
        // At most a queue's worth of buffers that are too small, then wait for the next kick.
        for (var tries = 0; tries <= queue.Size && _reply is not null; tries++)
        {
            if (queue.TryTake(out var chain))
            {
                Send(queue, chain, in reply);
            }
            else if (!queue.EnableKicks())
            {
                break;
            }
        }
    }

    private void Send(DeviceQueue queue, DescriptorChain chain, in ConfigMessage reply)
    {
        var fits = chain.Error == ChainError.None && chain.WritableLength >= ConfigMessage.Size;
        queue.Return(chain.Head, fits ? (uint)chain.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<ConfigMessage>(in reply))) : 0);
        if (fits)
        {
            _reply = null;
            return;
        }

        model.Counters.Add(Counter.MessagesRejected);
        if (_guestLog.Allows(out var log))
        {
            Log.ReplyBufferTooSmall(log, chain.WritableLength, ConfigMessage.Size);
        }
    }

    private void Wait()
    {
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[Limits.QueueCount + 1];
        var count = _poll.Wait(ready);
        for (var i = 0; i < count; i++)
        {
            if (ready[i].Token == WakeToken)
            {
                _wake.TryConsume();
                continue;
            }

            lock (_lock)
            {
                // Under the lock a queue that is still here has not given its descriptor back.
                Place((int)ready[i].Token)?.Kick.TryConsume();
            }
        }
    }
}
