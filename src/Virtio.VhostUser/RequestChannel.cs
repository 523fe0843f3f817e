// The back-end's own channel: one socket, and the thread that uses it.
using Virtio.Linux;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>What the thread of a <see cref="RequestChannel"/> does; called on it.</summary>
internal interface IRequestSource
{
    /// <summary>Sends what is to be asked for, and waits for the answers, until nothing is left.</summary>
    /// <exception cref="LinuxException">The channel failed.</exception>
    /// <exception cref="VhostUserException">The answer was wrong.</exception>
    void SendAll(RequestChannel channel);

    /// <summary>The channel is of no use any more.</summary>
    /// <param name="channel">The channel.</param>
    /// <param name="failure">What went wrong while something was asked for, if so.</param>
    /// <returns>Whether the channel closes itself after the call; false if somebody else is about to.</returns>
    bool TryGiveUp(RequestChannel channel, Exception? failure);

    /// <summary>The front-end broke the protocol in a way that ends the connection.</summary>
    void Violated(VhostUserException violation);
}

/// <summary>
/// A channel for requests of the back-end. Its thread sends them, and watches the channel in between: whatever comes then was
/// not asked for and ends the connection. So a channel never holds anything that the front-end has put into it: not even an
/// end of the connection itself, which would keep that alive when the front-end is long gone.
/// </summary>
/// <remarks>When the other end of the channel is closed the channel is given up, with all that it holds; the connection goes on.</remarks>
internal sealed class RequestChannel : IDisposable
{
    // How long the thread may take to end, which nothing but the kernel can hold then.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(1);

    private readonly MessageChannel _messages;
    private readonly IRequestSource _source;
    private readonly EventFd _wake;
    private readonly Thread _thread;
    private readonly TimeSpan _patience;
    private volatile bool _closing;

    // Set by the thread when it ends, and by who gives up waiting for that: the second one closes the channel.
    private int _left;

    /// <summary>Takes over a socket and starts the thread.</summary>
    /// <param name="socket">The socket; owned from now on, also if this throws.</param>
    /// <param name="acknowledged">Whether the front-end answers requests.</param>
    /// <param name="patience">How long the front-end may take to read a request, and to answer it.</param>
    /// <param name="source">Where requests come from.</param>
    /// <exception cref="LinuxException">There is no descriptor left.</exception>
    /// <exception cref="VhostUserException">There is no thread left.</exception>
    internal RequestChannel(UnixSocket socket, bool acknowledged, TimeSpan patience, IRequestSource source)
    {
        _messages = new MessageChannel(socket, patience);
        (IsAcknowledged, _patience, _source) = (acknowledged, patience, source);
        try
        {
            _wake = EventFd.Create();
            _thread = new Thread(Serve) { IsBackground = true, Name = "vhost-user requests" };
            _thread.Start();
        }
        catch (LinuxException)
        {
            _messages.Dispose();
            throw;
        }
        catch (OutOfMemoryException failure)
        {
            _wake?.Dispose();
            _messages.Dispose();
            throw new VhostUserException("The system has no thread left for the back-end's channel.", failure);
        }
    }

    /// <summary>Whether the front-end answers requests.</summary>
    internal bool IsAcknowledged { get; }

    /// <summary>There may be something to send. Any thread; does not wait.</summary>
    internal void Wake() => _wake.Signal();

    /// <summary>Sends a request that has no answer.</summary>
    /// <exception cref="LinuxException">The channel failed, or the front-end does not read it.</exception>
    internal void Send(BackEndRequest request) => _messages.Send((uint)request, MessageFlags.None, []);

    /// <summary>Sends a request with a descriptor, and waits for the answer if there is to be one.</summary>
    /// <returns>The answer; 0 = done.</returns>
    /// <exception cref="LinuxException">The channel failed, or the front-end does not read it.</exception>
    /// <exception cref="VhostUserException">The answer is none, or does not come.</exception>
    internal ulong Ask<T>(BackEndRequest request, T payload, FileDescriptor descriptor)
        where T : unmanaged
    {
        _messages.Send((uint)request, IsAcknowledged ? MessageFlags.NeedReply : MessageFlags.None, payload, [descriptor]);
        return IsAcknowledged ? ReceiveAnswer(request) : 0;
    }

    /// <summary>
    /// Ends the thread and closes the channel. Not on its thread. The front-end, which may share this end, can have the kernel
    /// hold the thread: then it closes the channel when it comes back, and nobody waits for that.
    /// </summary>
    public void Dispose()
    {
        _closing = true;
        _wake.Signal();
        // Wakes the thread if it waits for an answer.
        _messages.Socket.Shutdown();
        if (_thread.Join(EndPatience) || Interlocked.Exchange(ref _left, 1) == 1)
        {
            Close();
        }
    }

    private void Close()
    {
        _messages.Dispose();
        _wake.Dispose();
    }

    private ulong ReceiveAnswer(BackEndRequest request)
    {
        try
        {
            if (!_messages.TryReceive(out var reply, out var payload, Deadline.After(_patience)))
            {
                throw new VhostUserException("The front-end closed the channel for requests.");
            }

            if (_messages.Descriptors.Count > 0)
            {
                throw new VhostUserException($"The front-end answered {request} with {_messages.Descriptors.Count} descriptors.");
            }

            return reply.IsReply && reply.Request == (uint)request
                ? MessageChannel.ReadPayload<ulong>($"The reply to {request}", payload)
                : throw new VhostUserException($"The front-end answered {request} with message {reply.Request}.");
        }
        catch (LinuxException failure) when (failure.Errno == Errno.EAGAIN)
        {
            throw new VhostUserException($"The front-end did not answer {request} within {_patience.TotalSeconds:0.#} seconds.", failure);
        }
        finally
        {
            _messages.Descriptors.Clear();
        }
    }

    private void Serve()
    {
        Exception? lastFailure = null;
        try
        {
            while (!_closing)
            {
                _source.SendAll(this);
                var happened = _messages.Socket.WaitForInput(_wake);
                _wake.TryConsume();
                if (happened != PollEvents.None && !_closing)
                {
                    LookAtInput();
                    break;
                }
            }
        }
        catch (Exception failure) when (failure is LinuxException or VhostUserException)
        {
            // After a failure nobody knows what the next answer on this channel belongs to.
            lastFailure = failure;
        }

        if (_source.TryGiveUp(this, lastFailure))
        {
            // What lies in the channel goes now, not when the connection ends.
            Close();
        }
        else if (Interlocked.Exchange(ref _left, 1) == 1)
        {
            Close();
        }
    }

    /// <summary>Something came that was not asked for, or the other end was closed.</summary>
    private void LookAtInput()
    {
        Span<byte> some = stackalloc byte[64];
        using var none = new ReceivedDescriptors(0);
        try
        {
            if (_messages.Socket.Receive(some, none, Deadline.After(TimeSpan.Zero)) == 0)
            {
                return;
            }
        }
        catch (InvalidDataException)
        {
            // Descriptors came with it, and are closed.
        }

        _source.Violated(new VhostUserException("The front-end sent something on the back-end's channel, where nothing was asked for."));
    }
}
