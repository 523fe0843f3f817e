// An open device: what a guest program works with.
using System.Runtime.CompilerServices;
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using VirtioUser.Guest.Messages;
using VirtioUser.Protocol;

namespace VirtioUser.Guest;

/// <summary>
/// One instance of a device, which lives on the host from <see cref="Open(uint, uint, uint, uint, DeviceSource)"/> to
/// <see cref="Dispose"/>.
/// </summary>
/// <remarks>
/// <para>All members may be called from any thread at any time. Pings are done in the order in which they were sent,
/// one after the other. A ping that succeeds allocates no memory, when it is waited for on the calling thread and
/// without a cancellation token. On an instance that nobody else uses at the same time it is a single system call, if
/// the device answers within a millisecond.</para>
/// <para>A call that was cancelled while it waited for an answer has sent its ping all the same: the device does
/// it, and the library takes its answer and drops it. Calls that are under way when the device is disposed end
/// with <see cref="ObjectDisposedException"/>. Calls that ask the host for memory can not be cancelled.</para>
/// <para>If a callback of the device fails, the instance ends: its calls fail with a
/// <see cref="VirtioUserException"/> whose <see cref="VirtioUserException.Errno"/> is <see cref="Errno.EIO"/>;
/// if the device goes away, <see cref="Errno.ENODEV"/>.</para>
/// </remarks>
public sealed class VirtioUserDevice : IDisposable
{
    private readonly DeviceChannel _channel;
    private readonly EventReceiver _receiver;
    private readonly PingSender _sender;
    private readonly HashSet<SharedObject> _objects = [];
    private bool _disposed;

    internal VirtioUserDevice(DeviceChannel channel)
    {
        _channel = channel;
        _receiver = new EventReceiver(channel);
        _sender = new PingSender(channel, _receiver);
    }

    /// <summary>Vendor, device and version.</summary>
    public DeviceIdentity Identity => _channel.Identity;

    /// <summary>Opens the newest version of a device within a range of versions.</summary>
    /// <param name="vendor">The vendor ID.</param>
    /// <param name="device">The device ID.</param>
    /// <param name="minimumVersion">The oldest version that will do.</param>
    /// <param name="maximumVersion">The newest version that will do.</param>
    /// <param name="source">Where to look; null = <see cref="DeviceSource.Default"/>.</param>
    /// <exception cref="VirtioUserException">There is no such device, or it can not be opened.</exception>
    public static VirtioUserDevice Open(
        uint vendor, uint device, uint minimumVersion = 0, uint maximumVersion = uint.MaxValue, DeviceSource? source = null) =>
        Open(DeviceNode.Find(vendor, device, minimumVersion, maximumVersion, source));

    /// <summary>Opens the newest version of a device among those that the program speaks; <see cref="Identity"/> tells which.</summary>
    /// <param name="vendor">The vendor ID.</param>
    /// <param name="device">The device ID.</param>
    /// <param name="versions">The versions that the program speaks, in any order.</param>
    /// <param name="source">Where to look; null = <see cref="DeviceSource.Default"/>.</param>
    /// <exception cref="VirtioUserException">
    /// There is no such device, it can not be opened, or both sides share no version (<see cref="Errno.ENOTSUP"/>).
    /// </exception>
    public static VirtioUserDevice Open(uint vendor, uint device, IReadOnlyCollection<uint> versions, DeviceSource? source = null) =>
        Open(DeviceNode.Find(vendor, device, versions, source));

    /// <summary>Opens a device that was listed. Waits until the host has made an instance.</summary>
    /// <param name="node">One of <see cref="DeviceNode.List"/>.</param>
    /// <exception cref="VirtioUserException">
    /// <see cref="Errno.EACCES"/>: only root may open device nodes, if nobody has changed that. <see cref="Errno.EIO"/>:
    /// the device refused to make an instance. <see cref="Errno.ENXIO"/>: the host has the device no more.
    /// </exception>
    public static VirtioUserDevice Open(DeviceNode node)
    {
        ArgumentNullException.ThrowIfNull(node);
        return new VirtioUserDevice(node.Source.Open(node));
    }

    /// <summary>Makes a shared-memory object. Its bytes are zero.</summary>
    /// <param name="length">In bytes, not 0; rounded up to whole pages.</param>
    /// <exception cref="VirtioUserException">The host has no room (<see cref="Errno.ENOMEM"/>).</exception>
    public SharedObject Allocate(ulong length)
    {
        ArgumentOutOfRangeException.ThrowIfZero(length);
        try
        {
            return Hold(_channel.Allocate(length));
        }
        catch (VirtioUserException e) when (e.Errno == Errno.EIO)
        {
            throw Explained(e);
        }
    }

    /// <summary>Takes hold of an object that another instance exported, whether of this program or another.</summary>
    /// <param name="id">The object's ID, as <see cref="SharedObject.Export"/> returned it.</param>
    /// <exception cref="VirtioUserException">No such object, or it was not exported (<see cref="Errno.ENOENT"/>).</exception>
    public SharedObject Import(ulong id)
    {
        try
        {
            return Hold(_channel.Import(id));
        }
        catch (VirtioUserException e) when (e.Errno == Errno.EIO)
        {
            throw Explained(e);
        }
    }

    /// <summary>Sends a ping and does not wait: the device gives no answer. Blocks while the device takes no more.</summary>
    /// <param name="request">What to send; its <see cref="PingRequest.Events"/> must be 0.</param>
    /// <param name="cancellationToken">Ends the wait; the ping was not sent then.</param>
    /// <exception cref="VirtioUserException">The instance has ended or the device is gone.</exception>
    public void Send(PingRequest request, CancellationToken cancellationToken = default) =>
        Send(new ReadOnlySpan<PingRequest>(in request), cancellationToken);

    /// <summary>Sends several pings with as few system calls and notifications of the host as possible, and does not wait.</summary>
    /// <param name="requests">What to send, in order; all <see cref="PingRequest.Events"/> must be 0.</param>
    /// <param name="cancellationToken">Ends the wait; a first part of the pings may have been sent then.</param>
    /// <inheritdoc cref="Send(PingRequest, CancellationToken)"/>
    public void Send(ReadOnlySpan<PingRequest> requests, CancellationToken cancellationToken = default)
    {
        try
        {
            _sender.Send(requests, null, cancellationToken);
        }
        catch (VirtioUserException e) when (e.Errno == Errno.EIO)
        {
            throw Explained(e);
        }
    }

    /// <summary>Sends a ping and waits on this thread for the answer.</summary>
    /// <param name="request">What to send.</param>
    /// <param name="cancellationToken">Ends the wait. Without one, no memory is allocated.</param>
    /// <returns>The device's answer, bits 0 to 29.</returns>
    /// <exception cref="PingFailedException">The host refused the ping, or the device failed at it.</exception>
    /// <exception cref="VirtioUserException">The instance has ended or the device is gone.</exception>
    public uint Ping(PingRequest request, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        uint answer;
        try
        {
            var outcome = _sender.Ping(request, out answer, out var pending);
            if (outcome == PingOutcome.NotSent)
            {
                PingAll(new ReadOnlySpan<PingRequest>(in request), new Span<uint>(ref answer), cancellationToken);
            }
            else if (outcome == PingOutcome.Sent)
            {
                Await(pending!, new Span<uint>(ref answer), cancellationToken);
            }
        }
        catch (VirtioUserException e) when (e.Errno == Errno.EIO)
        {
            throw Explained(e);
        }

        return CheckAnswer(answer);
    }

    /// <summary>
    /// Sends several pings with as few system calls and notifications of the host as possible, and waits on this
    /// thread for all answers.
    /// </summary>
    /// <param name="requests">What to send, in order.</param>
    /// <param name="answers">
    /// Where the answers go, as they came: with bit 31 where a ping failed. Exactly as many as requests.
    /// </param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="VirtioUserException">The instance has ended or the device is gone.</exception>
    public void Ping(ReadOnlySpan<PingRequest> requests, Span<uint> answers, CancellationToken cancellationToken = default)
    {
        if (answers.Length != requests.Length)
        {
            throw new ArgumentException($"There are {requests.Length} pings and room for {answers.Length} answers.", nameof(answers));
        }

        if (requests.IsEmpty)
        {
            return;
        }

        try
        {
            PingAll(requests, answers, cancellationToken);
        }
        catch (VirtioUserException e) when (e.Errno == Errno.EIO)
        {
            throw Explained(e);
        }
    }

    /// <summary>Sends a ping; the task completes with the answer. No thread waits.</summary>
    /// <inheritdoc cref="Ping(PingRequest, CancellationToken)"/>
    public async Task<uint> PingAsync(PingRequest request, CancellationToken cancellationToken = default)
    {
        var answers = await PingAsync(new[] { request }, cancellationToken).ConfigureAwait(false);
        return CheckAnswer(answers[0]);
    }

    /// <summary>Sends several pings; the task completes with all answers, as they came: with bit 31 where a ping failed. No thread waits.</summary>
    /// <param name="requests">What to send, in order. Must not change until the task has completed.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="VirtioUserException">The instance has ended or the device is gone.</exception>
    public async Task<uint[]> PingAsync(ReadOnlyMemory<PingRequest> requests, CancellationToken cancellationToken = default)
    {
        if (requests.IsEmpty)
        {
            return [];
        }

        var pending = new PendingAnswers(asynchronous: true);
        pending.Reset(requests.Length);
        try
        {
            await _sender.SendAsync(requests, pending, cancellationToken).ConfigureAwait(false);
            await _receiver.WaitForAsync(pending, cancellationToken).ConfigureAwait(false);
        }
        catch (VirtioUserException e) when (e.Errno == Errno.EIO)
        {
            throw Explained(e);
        }

        return pending.Answers.ToArray();
    }

    /// <summary>Waits on this thread for the next event that the device sends on its own.</summary>
    /// <param name="cancellationToken">Ends the wait; no event is lost by it.</param>
    /// <returns>The event, bits 0 to 29 (bit 30, which marks such events, is taken off).</returns>
    /// <exception cref="EventsLostException">Events were dropped; reading may go on.</exception>
    /// <exception cref="VirtioUserException">The instance has ended or the device is gone, and there is no event left.</exception>
    public uint ReadEvent(CancellationToken cancellationToken = default) => _receiver.WaitForEvent(cancellationToken);

    /// <summary>Takes the next event that the device sent on its own, if there is one already.</summary>
    /// <param name="revents">The event, bits 0 to 29.</param>
    /// <returns>False if there is none yet.</returns>
    /// <inheritdoc cref="ReadEvent"/>
    public bool TryReadEvent(out uint revents) => _receiver.TryReadEvent(out revents);

    /// <summary>
    /// The events that the device sends on its own, as they come; ends only by an exception. After an
    /// <see cref="EventsLostException"/> a new enumeration goes on where this one ended.
    /// </summary>
    /// <inheritdoc cref="ReadEvent"/>
    public async IAsyncEnumerable<uint> ReadEventsAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        while (true)
        {
            yield return await _receiver.WaitForEventAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Ends the instance: frees its objects, wakes every call that waits, closes the device. Memory that is pinned
    /// keeps the device open until the last pin is gone.
    /// </summary>
    public void Dispose()
    {
        SharedObject[] objects;
        using (Gate.Enter(_objects))
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
            objects = [.. _objects];
        }

        _receiver.Dispose();
        _sender.Dispose();
        foreach (var each in objects)
        {
            each.Dispose();
        }

        _channel.Dispose();
    }

    private void PingAll(ReadOnlySpan<PingRequest> requests, Span<uint> answers, CancellationToken cancellationToken)
    {
        var pending = _receiver.Rent(requests.Length);
        _sender.Send(requests, pending, cancellationToken);
        Await(pending, answers, cancellationToken);
    }

    private void Await(PendingAnswers pending, Span<uint> answers, CancellationToken cancellationToken)
    {
        _receiver.WaitFor(pending, cancellationToken);
        pending.Answers.CopyTo(answers);
        _receiver.Return(pending);
    }

    private SharedObject Hold(ObjectDescription description)
    {
        SharedObject held;
        try
        {
            held = new SharedObject(_channel, description, Release);
        }
        catch
        {
            try
            {
                _channel.Free(description.Id);
            }
            catch (Exception e) when (e is VirtioUserException or ObjectDisposedException)
            {
                // The instance has ended, and with it its hold on the object. What came first is what the caller gets.
            }

            throw;
        }

        using (Gate.Enter(_objects))
        {
            if (!_disposed)
            {
                _objects.Add(held);
                return held;
            }
        }

        held.Dispose();
        throw new ObjectDisposedException(nameof(VirtioUserDevice));
    }

    private void Release(SharedObject held)
    {
        using (Gate.Enter(_objects))
        {
            _objects.Remove(held);
        }
    }

    private uint CheckAnswer(uint answer) =>
        (answer & Revents.Failed) == 0 ? answer : throw new PingFailedException(Identity.ToString(), answer, _channel.Explain());

    /// <summary>The same failure, with what the host says about the end of the instance.</summary>
    private VirtioUserException Explained(VirtioUserException failure)
    {
        var reason = _channel.Explain();
        return reason.Length == 0
            ? failure
            : new VirtioUserException(
                failure.Device, failure.Operation, failure.Errno, $"{VirtioUserException.TextOf(failure.Errno)}: {reason}", failure);
    }
}
