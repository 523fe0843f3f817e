// Receives an instance's events and hands them to the callers that wait for them.
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Messages;

/// <summary>
/// One of the threads that wait for something does the receiving, for all of them: a lone thread that pings gets
/// its answer without any change of threads. Callers that do not sit on a thread have one
/// of the receiver's own doing it for them, which is started when it is first needed. Thread-safe.
/// </summary>
internal sealed class EventReceiver : IDisposable
{
    private readonly object _gate = new();
    private readonly DeviceChannel _channel;
    private readonly Interrupt _interrupt;
    private readonly AnswerQueue _awaited = new();
    private readonly OwnEventQueue _events = new();
    private readonly Stack<PendingAnswers> _spare = new();

    // Used by the one thread that receives.
    private readonly uint[] _received = new uint[64];

    private bool _receiving;
    private int _sleeping;
    private int _asynchronous;
    private bool _threadStarted;
    private Interrupt? _blockedSender;
    private TaskCompletionSource? _news;
    private Exception? _ended;

    public EventReceiver(DeviceChannel channel) => (_channel, _interrupt) = (channel, channel.CreateInterrupt());

    /// <summary>Gets a place for the answers of a call on this thread.</summary>
    public PendingAnswers Rent(int count)
    {
        using (Gate.Enter(_gate))
        {
            if (!_spare.TryPop(out var pending))
            {
                pending = new PendingAnswers(asynchronous: false);
            }

            pending.Reset(count);
            return pending;
        }
    }

    /// <summary>Takes a place back whose answers are all there and have been read. Others are left to the garbage collector.</summary>
    public void Return(PendingAnswers pending)
    {
        using (Gate.Enter(_gate))
        {
            _spare.Push(pending);
        }
    }

    /// <summary>Notes that pings are about to be sent, before any answer can come. Only the thread whose turn it is to send.</summary>
    public void Expect(PendingAnswers pending, int index, int count)
    {
        using (Gate.Enter(_gate))
        {
            ThrowIfEnded("ping");
            _awaited.Append(pending, index, count);
        }
    }

    /// <summary>
    /// Notes one ping that is about to be sent, if no other answer is awaited. Only the thread whose turn it is to send.
    /// </summary>
    /// <returns>The place of its answer, or null.</returns>
    public PendingAnswers? TryExpectAlone()
    {
        using (Gate.Enter(_gate))
        {
            ThrowIfEnded("ping");
            if (_awaited.Count > 0)
            {
                return null;
            }

            var pending = Rent(1);
            _awaited.Append(pending, 0, 1);
            return pending;
        }
    }

    /// <summary>The end of <see cref="TryExpectAlone"/> for a ping that was not sent, or was answered at once.</summary>
    public void ForgetAlone(PendingAnswers pending)
    {
        using (Gate.Enter(_gate))
        {
            if (_ended is null)
            {
                _awaited.RemoveLast(1);
            }

            _spare.Push(pending);
        }
    }

    /// <summary>Notes that the youngest pings were not sent after all. Only the thread whose turn it is to send.</summary>
    public void Forget(int count)
    {
        using (Gate.Enter(_gate))
        {
            // When the instance has ended, they are forgotten already.
            if (_ended is null)
            {
                _awaited.RemoveLast(count);
            }
        }
    }

    /// <summary>Waits on this thread until every answer of a call is there.</summary>
    /// <exception cref="OperationCanceledException">The answers will be received and dropped when they come.</exception>
    public void WaitFor(PendingAnswers pending, CancellationToken cancellationToken)
    {
        using var registration = WakeOn(cancellationToken);
        while (true)
        {
            using (Gate.Enter(_gate))
            {
                if (pending.IsComplete)
                {
                    return;
                }

                cancellationToken.ThrowIfCancellationRequested();
                ThrowIfEnded("ping");
                if (!TryBecomeReceiver())
                {
                    continue;
                }
            }

            ReceiveOnce(PollEvents.In, _interrupt);
        }
    }

    /// <summary>Waits for a call's answers without holding a thread.</summary>
    public async Task WaitForAsync(PendingAnswers pending, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(
            (state, token) => pending.Fail(new OperationCanceledException(token)), null);
        BeginAsynchronous();
        try
        {
            await pending.Task.ConfigureAwait(false);
        }
        finally
        {
            EndAsynchronous();
        }
    }

    /// <summary>Waits on this thread for an event that the device sent on its own.</summary>
    public uint WaitForEvent(CancellationToken cancellationToken)
    {
        using var registration = WakeOn(cancellationToken);
        while (true)
        {
            using (Gate.Enter(_gate))
            {
                if (TryTakeEvent(out var revents))
                {
                    return revents;
                }

                cancellationToken.ThrowIfCancellationRequested();
                ThrowIfEnded("read");
                if (!TryBecomeReceiver())
                {
                    continue;
                }
            }

            ReceiveOnce(PollEvents.In, _interrupt);
        }
    }

    /// <summary>Takes an event that is there, without waiting.</summary>
    public bool TryReadEvent(out uint revents)
    {
        bool receive;
        using (Gate.Enter(_gate))
        {
            if (TryTakeEvent(out revents))
            {
                return true;
            }

            ThrowIfEnded("read");
            receive = !_receiving;
            _receiving = true;
        }

        if (receive)
        {
            ReceiveOnce(PollEvents.None, _interrupt);
        }

        using (Gate.Enter(_gate))
        {
            return TryTakeEvent(out revents);
        }
    }

    /// <summary>Waits without holding a thread for an event that the device sent on its own.</summary>
    public async Task<uint> WaitForEventAsync(CancellationToken cancellationToken)
    {
        BeginAsynchronous();
        try
        {
            while (true)
            {
                Task news;
                using (Gate.Enter(_gate))
                {
                    if (TryTakeEvent(out var revents))
                    {
                        return revents;
                    }

                    ThrowIfEnded("read");
                    _news ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    news = _news.Task;
                }

                await news.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            EndAsynchronous();
        }
    }

    /// <summary>
    /// Waits until it is worth while to try again to send. Receives meanwhile if nobody else does: room for a ping
    /// that wants an answer may come only from answers being taken. Only the thread whose turn it is to send.
    /// </summary>
    public void WaitToSend(Interrupt interrupt)
    {
        bool receive;
        using (Gate.Enter(_gate))
        {
            ThrowIfEnded("ping");
            receive = !_receiving;
            _receiving = true;
            _blockedSender = receive ? null : interrupt;
        }

        if (receive)
        {
            ReceiveOnce(PollEvents.In | PollEvents.Out, interrupt);
            return;
        }

        try
        {
            _channel.Wait(PollEvents.Out, interrupt);
        }
        finally
        {
            using (Gate.Enter(_gate))
            {
                _blockedSender = null;
            }
        }
    }

    /// <summary>Ends everything: whoever waits gets an <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        using (Gate.Enter(_gate))
        {
            End(new ObjectDisposedException(nameof(VirtioUserDevice)));
        }

        _interrupt.Dispose();
    }

    private void ThrowIfEnded(string operation)
    {
        if (_ended is not null)
        {
            throw Ended(operation);
        }
    }

    /// <summary>What a caller gets once the instance has ended: an exception of its own, since threads must not share one.</summary>
    private Exception Ended(string operation) => _ended is VirtioUserException e
        ? new VirtioUserException(e.Device, operation, e.Errno, e)
        : new ObjectDisposedException(nameof(VirtioUserDevice));

    private bool TryTakeEvent(out uint revents)
    {
        if (!_events.TryTake(out revents, out var lost))
        {
            return false;
        }

        return !lost ? true : throw new EventsLostException(_channel.Identity.ToString());
    }

    /// <summary>Under the lock: becomes the thread that receives, or sleeps until something has changed.</summary>
    private bool TryBecomeReceiver()
    {
        if (!_receiving)
        {
            return _receiving = true;
        }

        Sleep();
        return false;
    }

    private void Sleep()
    {
        _sleeping++;
        try
        {
            Monitor.Wait(_gate);
        }
        finally
        {
            _sleeping--; // also if the thread is interrupted, which finds it back under the lock
        }
    }

    /// <summary>Waits once, receives what is there, hands it out and lets another thread receive. Only for the receiving thread.</summary>
    private void ReceiveOnce(PollEvents waitFor, Interrupt interrupt)
    {
        var reception = Reception.Nothing;
        var count = 0;
        Exception? failure = null;
        try
        {
            if (waitFor == PollEvents.None || _channel.Wait(waitFor, interrupt) != PollEvents.None)
            {
                reception = _channel.Receive(_received, out count);
            }
        }
        catch (Exception e) when (e is VirtioUserException or ObjectDisposedException)
        {
            failure = e;
        }
        finally
        {
            // Whatever comes out of the channel (the thread may be interrupted in its wait): others must not wait for this one.
            using (Gate.Enter(_gate))
            {
                for (var i = 0; i < count; i++)
                {
                    HandOut(_received[i]);
                }

                if (reception == Reception.EventsLost)
                {
                    _events.NoteLoss();
                }

                _receiving = false;
                if (failure is not null)
                {
                    End(failure);
                }
                else
                {
                    WakeOthers();
                }
            }
        }
    }

    private void HandOut(uint revents)
    {
        // The driver keeps the host's own notices to itself; one that came here would mean nothing to a program.
        if (Revents.IsNotice(revents))
        {
            return;
        }

        if (Revents.IsAnswer(revents))
        {
            _awaited.TryComplete(revents);
        }
        else
        {
            _events.Add(revents & Revents.DeviceMask);
        }
    }

    private void End(Exception reason)
    {
        if (_ended is null)
        {
            _ended = reason;
            _awaited.FailAll(() => Ended("ping"));
        }

        WakeOthers();
    }

    private void WakeOthers()
    {
        if (_sleeping > 0)
        {
            Monitor.PulseAll(_gate);
        }

        _blockedSender?.Signal();
        if (_news is not null && (_events.HasNews || _ended is not null))
        {
            _news.TrySetResult();
            _news = null;
        }
    }

    private CancellationTokenRegistration WakeOn(CancellationToken cancellationToken) =>
        !cancellationToken.CanBeCanceled ? default : cancellationToken.UnsafeRegister(static state => ((EventReceiver)state!).Wake(), this);

    /// <summary>Makes every thread that waits look again.</summary>
    private void Wake()
    {
        using (Gate.Enter(_gate))
        {
            _interrupt.Signal();
            Monitor.PulseAll(_gate);
        }
    }

    private void BeginAsynchronous()
    {
        using (Gate.Enter(_gate))
        {
            if (!_threadStarted)
            {
                // Throws if the system has no thread left, and then nothing has begun.
                new Thread(ReceiveForOthers) { IsBackground = true, Name = $"virtio-user {_channel.Identity}" }.Start();
                _threadStarted = true;
            }

            if (++_asynchronous == 1)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    private void EndAsynchronous()
    {
        using (Gate.Enter(_gate))
        {
            _asynchronous--;
        }
    }

    private void ReceiveForOthers()
    {
        while (true)
        {
            using (Gate.Enter(_gate))
            {
                if (_ended is not null)
                {
                    return;
                }

                if (_asynchronous == 0)
                {
                    Sleep();
                    continue;
                }

                if (!TryBecomeReceiver())
                {
                    continue;
                }
            }

            ReceiveOnce(PollEvents.In, _interrupt);
        }
    }
}
