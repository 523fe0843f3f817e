// Sends pings, one caller after the other.
using VirtioUser.Guest.Channels;

namespace VirtioUser.Guest.Messages;

/// <summary>
/// Keeps the order in which pings are sent and the order in which answers are expected the same, also among
/// threads. Thread-safe.
/// </summary>
internal sealed class PingSender : IDisposable
{
    /// <summary>The most pings that go into one system call.</summary>
    public const int Batch = 64;

    /// <summary>So many pings do not wait for their answers in the turn of their sender after another one wanted it.</summary>
    private const int CrowdMemory = 64;

    private readonly DeviceChannel _channel;
    private readonly EventReceiver _receiver;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly Interrupt _interrupt;
    private volatile int _crowded;
    private volatile bool _disposed;

    public PingSender(DeviceChannel channel, EventReceiver receiver)
    {
        _channel = channel;
        _receiver = receiver;
        _interrupt = channel.CreateInterrupt();
    }

    /// <summary>Sends pings; blocks while the device takes no more.</summary>
    /// <param name="pings">In order. What was not sent when this throws is not sent at all.</param>
    /// <param name="pending">Who waits for the answers, or null if none are wanted.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    public void Send(ReadOnlySpan<PingRequest> pings, PendingAnswers? pending, CancellationToken cancellationToken)
    {
        if (!_turn.Wait(0, CancellationToken.None))
        {
            _crowded = CrowdMemory;
            _turn.Wait(cancellationToken);
        }

        try
        {
            Send(pings, pending, mayBlock: true, cancellationToken);
        }
        finally
        {
            Gate.Release(_turn);
        }
    }

    /// <summary>The same without holding the caller's thread. A full device holds a new one instead.</summary>
    /// <inheritdoc cref="Send(ReadOnlySpan{PingRequest}, PendingAnswers?, CancellationToken)"/>
    public async Task SendAsync(ReadOnlyMemory<PingRequest> pings, PendingAnswers? pending, CancellationToken cancellationToken)
    {
        var turn = _turn.WaitAsync(cancellationToken);
        if (!turn.IsCompleted)
        {
            _crowded = CrowdMemory;
        }

        await turn.ConfigureAwait(false);
        try
        {
            var sent = Send(pings.Span, pending, mayBlock: false, cancellationToken);
            if (sent < pings.Length)
            {
                await Task.Factory.StartNew(
                    () => Send(pings.Span[sent..], pending, mayBlock: true, cancellationToken, sent),
                    cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
            }
        }
        finally
        {
            Gate.Release(_turn);
        }
    }

    /// <summary>
    /// Sends a ping in such a way that its answer comes in the same call, if the channel can do that and nobody else
    /// uses the instance just now. It holds the sender's turn until then, so it is not for those who take turns.
    /// </summary>
    /// <param name="ping">The ping.</param>
    /// <param name="answer">The answer, for <see cref="PingOutcome.Answered"/>.</param>
    /// <param name="pending">Where the answer will come, for <see cref="PingOutcome.Sent"/>; else null.</param>
    public PingOutcome Ping(in PingRequest ping, out uint answer, out PendingAnswers? pending)
    {
        (answer, pending) = (0, null);
        if (_crowded > 0)
        {
            _crowded--;
            return PingOutcome.NotSent;
        }

        if (!_turn.Wait(0, CancellationToken.None))
        {
            _crowded = CrowdMemory;
            return PingOutcome.NotSent;
        }

        try
        {
            return PingInTurn(ping, out answer, out pending);
        }
        finally
        {
            Gate.Release(_turn);
        }
    }

    /// <summary>Whoever waits to send, or tries to from now on, gets an <see cref="ObjectDisposedException"/>.</summary>
    public void Dispose()
    {
        _disposed = true;
        _interrupt.Dispose();
    }

    private PingOutcome PingInTurn(in PingRequest ping, out uint answer, out PendingAnswers? pending)
    {
        answer = 0;
        pending = _receiver.TryExpectAlone();
        if (pending is null)
        {
            return PingOutcome.NotSent;
        }

        var outcome = PingOutcome.NotSent;
        try
        {
            outcome = _channel.Ping(Prepare(ping, wantAnswer: true), out answer);
            return outcome;
        }
        finally
        {
            if (outcome != PingOutcome.Sent)
            {
                _receiver.ForgetAlone(pending);
                pending = null;
            }
        }
    }

    private int Send(ReadOnlySpan<PingRequest> pings, PendingAnswers? pending, bool mayBlock, CancellationToken cancellationToken, int firstIndex = 0)
    {
        Span<PingRequest> batch = stackalloc PingRequest[Math.Min(pings.Length, Batch)];
        var sent = 0;
        while (sent < pings.Length)
        {
            var part = batch[..Math.Min(batch.Length, pings.Length - sent)];
            Prepare(pings.Slice(sent, part.Length), part, wantAnswers: pending is not null);
            var taken = SendPart(part, pending, firstIndex + sent, mayBlock, cancellationToken);
            sent += taken;
            if (taken < part.Length)
            {
                break;
            }
        }

        return sent;
    }

    /// <summary>Sends all of it, or as much as goes without blocking.</summary>
    private int SendPart(ReadOnlySpan<PingRequest> part, PendingAnswers? pending, int index, bool mayBlock, CancellationToken cancellationToken)
    {
        if (pending is not null)
        {
            _receiver.Expect(pending, index, part.Length);
        }

        var sent = 0;
        try
        {
            while (sent < part.Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                ObjectDisposedException.ThrowIf(_disposed, typeof(VirtioUserDevice));
                var taken = _channel.Send(part[sent..]);
                sent += taken;
                if (taken > 0)
                {
                    continue;
                }

                if (!mayBlock)
                {
                    break;
                }

                using var registration = cancellationToken.UnsafeRegister(static state => ((Interrupt)state!).Signal(), _interrupt);
                _receiver.WaitToSend(_interrupt);
            }

            return sent;
        }
        finally
        {
            if (pending is not null && sent < part.Length)
            {
                _receiver.Forget(part.Length - sent);
            }
        }
    }

    private static void Prepare(ReadOnlySpan<PingRequest> pings, Span<PingRequest> part, bool wantAnswers)
    {
        for (var i = 0; i < pings.Length; i++)
        {
            if (!wantAnswers && pings[i].Events != 0)
            {
                throw new ArgumentException("A ping that is sent without waiting can not ask for an answer: nobody would take it.", nameof(pings));
            }

            part[i] = Prepare(pings[i], wantAnswers);
        }
    }

    private static PingRequest Prepare(in PingRequest ping, bool wantAnswer) =>
        wantAnswer && ping.Events == 0 ? ping with { Events = 1 } : ping;
}
