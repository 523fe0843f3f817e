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
internal sealed class ConfigQueues(
    DeviceModel model, Host.HostOptions options, QueueFaults faults, GuestLog guestLog, ILogger<ConfigQueues> logger, Trace? trace = null) : IDisposable
{
    // A driver can make each chain of a ring as long as the ring, out of the same descriptors. So many rings' worth are read at a
    // time, then the lock is free for whoever takes the queue away.
    private const int RingsPerTurn = 4;

    private readonly Lock _lock = new();
    private readonly ILogger _guestLogger = guestLog.For(logger);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly EventPoll _poll = new();
    private readonly byte[] _request = new byte[ConfigMessage.Size + 1];
    private StartedQueue? _requests;
    private StartedQueue? _replies;
    private ConfigMessage? _reply;
    private bool _open;
    private int _driver;
    private Task? _oldDriver;
    private volatile bool _stopping;

    /// <summary>Complete when the thread has ended: the device model is not asked any more.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Starts the thread.</summary>
    /// <exception cref="OutOfMemoryException">The system has no thread left; <see cref="Ended"/> is complete then.</exception>
    public void Start()
    {
        try
        {
            new Thread(Main) { IsBackground = true, Name = "config queues" }.Start();
        }
        catch (OutOfMemoryException)
        {
            Close();
            throw;
        }
    }

    /// <summary>Begins to use a queue; both are needed before anything happens.</summary>
    public void Attach(StartedQueue queue)
    {
        AddToPoll(queue.Kick, (ulong)queue.Index);
        lock (_lock)
        {
            Place(queue.Index) = queue;
        }

        _poll.Wake();
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

    /// <summary>
    /// Makes the next driver wait for what the ones before hold, and for free memory to be emptied. Both queues must be detached.
    /// </summary>
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

        _poll.Wake();
    }

    /// <summary>Ends the thread, after the callback that it may be in (<see cref="Ended"/>). Both queues must be detached.</summary>
    public void Dispose()
    {
        _stopping = true;
        _poll.Wake();
    }

    // Edge-triggered, and never consumed: whatever a front-end does to the count of an eventfd, each of its signals wakes once.
    private void AddToPoll(EventFd descriptor, ulong token) => _poll.Add(descriptor.Descriptor, token, edgeTriggered: true);

    private void Close()
    {
        _poll.Dispose();
        _ended.SetResult();
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

        Close();
    }

    private void WaitForOldDriver()
    {
        Task? oldDriver;
        lock (_lock)
        {
            oldDriver = _oldDriver;
            _oldDriver = null;
        }

        if (oldDriver is not null)
        {
            // As long as for an instance that is closed. Memory that a callback still uses after that is unavailable to the new driver.
            oldDriver.Wait(options.DestroyTimeout);
            model.DiscardFreeMemory();
        }
    }

    /// <summary>Takes the next request, if its reply will be the only one on its way.</summary>
    private bool TryTakeRequest(out int length, out int driver)
    {
        StartedQueue? queue = null;
        QueueException? fault = null;
        bool taken = false, mustCall = false, again = false;
        length = 0;
        lock (_lock)
        {
            driver = _driver;
            if (_open && _oldDriver is null && _reply is null && _replies is not null && _requests is { Queue.IsBroken: false })
            {
                queue = _requests;
                try
                {
                    taken = TryCopyRequest(queue.Queue, out length, out again);
                    mustCall = queue.Queue.MustCall();
                }
                catch (QueueException e)
                {
                    fault = e;
                }
            }
        }

        Tell(queue, mustCall, fault, again);
        return taken && fault is null;
    }

    /// <param name="queue">The queue.</param>
    /// <param name="length">How many bytes were copied.</param>
    /// <param name="again">Whether a request has come that was not seen at the first look.</param>
    private bool TryCopyRequest(DeviceQueue queue, out int length, out bool again)
    {
        length = 0;
        again = false;
        if (!queue.TryTake(out var chain))
        {
            again = queue.EnableKicks();
            return false;
        }

        // One byte more than a message is room enough to see that a request is too long.
        length = chain.CopyTo(_request);
        queue.Return(chain.Head, 0);
        return true;
    }

    /// <summary>Signals the front-end: outside the lock, since it can make that take as long as the connection lasts.</summary>
    private void Tell(StartedQueue? queue, bool mustCall, QueueException? fault, bool again)
    {
        if (again)
        {
            _poll.Wake();
        }

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
        bool mustCall = false, again = false;
        lock (_lock)
        {
            if (_reply is { } reply && _replies is { Queue.IsBroken: false })
            {
                queue = _replies;
                try
                {
                    again = SendTo(queue.Queue, in reply);
                    mustCall = queue.Queue.MustCall();
                }
                catch (QueueException e)
                {
                    fault = e;
                    _reply = null;
                }
            }
        }

        Tell(queue, mustCall, fault, again);
    }

    /// <summary>Looks for a buffer that the reply fits in, among a bounded number of descriptors.</summary>
    /// <returns>Whether there may be others to look at.</returns>
    private bool SendTo(DeviceQueue queue, in ConfigMessage reply)
    {
        for (var left = RingsPerTurn * queue.Size; left > 0 && _reply is not null;)
        {
            if (queue.TryTake(out var chain))
            {
                left -= chain.DescriptorCount;
                Send(queue, chain, in reply);
            }
            else if (queue.EnableKicks())
            {
                left--; // a chain has come meanwhile, or the driver moves its index to and fro
            }
            else
            {
                return false;
            }
        }

        return _reply is not null;
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
        Log.ReplyBufferTooSmall(_guestLogger, chain.WritableLength, ConfigMessage.Size);
    }

    private void Wait()
    {
        // Who woke us does not matter: both queues are looked at.
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[Limits.QueueCount + 1];
        _poll.Wait(ready);
    }
}
