// The front-end's end of a vhost-user connection.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>
/// Speaks to a back-end: one method for each message. <see cref="RemoteDevice"/> does with it what most drivers
/// want. Once <see cref="ProtocolFeatures.ReplyAcknowledgement"/> is set, every method waits for the back-end's
/// answer and throws if that refuses. May be used by any thread, also by a <see cref="BackEndRequestHandler"/> in
/// <see cref="BackEndRequestHandler.Answered"/>.
/// </summary>
public sealed class FrontEnd : IDisposable
{
    private readonly object _lock = new();
    private readonly MessageChannel _channel;
    private readonly TimeSpan _patience;
    private ProtocolFeatures _protocolFeatures;
    private BackEndRequestServer? _requests;
    private int _disposed;

    /// <summary>Makes a front-end for a connection.</summary>
    /// <param name="connection">The connection; owned from now on.</param>
    public FrontEnd(UnixSocket connection)
        : this(connection, Timeout.InfiniteTimeSpan)
    {
    }

    private FrontEnd(UnixSocket connection, TimeSpan patience)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _patience = patience;
        _channel = new MessageChannel(connection, patience);
    }

    /// <summary>Connects to a back-end that listens on a path.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="patience">How long the back-end may take to accept the connection, to read and to answer; null = for
    /// ever. One that takes longer is given up: the connection is over then.</param>
    /// <exception cref="LinuxException">Nobody listens there.</exception>
    /// <exception cref="VhostUserException">Somebody listens and does not accept.</exception>
    public static FrontEnd Connect(string path, TimeSpan? patience = null)
    {
        try
        {
            return new FrontEnd(UnixSocket.Connect(path, patience), patience ?? Timeout.InfiniteTimeSpan);
        }
        catch (LinuxException failure) when (failure.Errno == Errno.EAGAIN)
        {
            throw new VhostUserException("The back-end does not accept the connection. It may be serving another front-end.", failure);
        }
    }

    /// <summary>Hangs up (<see cref="PollEvents.HangUp"/>) when the back-end is gone. Only for polling.</summary>
    public FileDescriptor Connection => _channel.Socket.Descriptor;

    /// <summary>Whether the back-end is gone.</summary>
    public bool IsGone => _channel.Socket.HasEnded;

    /// <summary>Asks for the virtio features that the device offers.</summary>
    /// <exception cref="VhostUserException">The back-end answered something else, or not in time, or is gone.</exception>
    public VirtioFeatures GetFeatures() => (VirtioFeatures)AskNumber(FrontEndRequest.GetFeatures);

    /// <summary>Sets the virtio features in use.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetFeatures(VirtioFeatures features) => Tell(FrontEndRequest.SetFeatures, (ulong)features);

    /// <summary>Asks for the protocol features that the back-end offers.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public ProtocolFeatures GetProtocolFeatures() => (ProtocolFeatures)AskNumber(FrontEndRequest.GetProtocolFeatures);

    /// <summary>Sets the protocol features in use.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetProtocolFeatures(ProtocolFeatures features)
    {
        Tell(FrontEndRequest.SetProtocolFeatures, (ulong)features);
        _protocolFeatures = features;
    }

    /// <summary>Begins the session.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetOwner() => Tell(FrontEndRequest.SetOwner, []);

    /// <summary>Asks for the number of queues.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public ulong GetQueueCount() => AskNumber(FrontEndRequest.GetQueueNum);

    /// <summary>Tells the guest's memory.</summary>
    /// <param name="regions">At most 8.</param>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetMemoryTable(ReadOnlySpan<FrontEndMemory> regions)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(regions.Length, MemoryTableMessage.MaximumRegions);
        var messages = new MemoryRegionMessage[regions.Length];
        var descriptors = new FileDescriptor[regions.Length];
        for (var i = 0; i < regions.Length; i++)
        {
            messages[i] = new MemoryRegionMessage(regions[i].GuestAddress, regions[i].Length, regions[i].UserAddress, regions[i].FileOffset);
            descriptors[i] = regions[i].Descriptor;
        }
        Span<byte> payload = stackalloc byte[MemoryTableMessage.HeaderSize + MemoryTableMessage.MaximumRegions * MemoryRegionMessage.Size];
        var length = MemoryTableMessage.Write(messages, payload);
        Tell(FrontEndRequest.SetMemoryTable, payload[..length], descriptors);
    }

    /// <summary>Sets size, base and addresses of a ring.</summary>
    /// <param name="index">Which ring.</param>
    /// <param name="layout">Size, and addresses in the front-end's process (<see cref="FrontEndMemory.UserAddress"/>).</param>
    /// <param name="lastAvailable">The available index from which the device goes on.</param>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetVring(int index, QueueLayout layout, ushort lastAvailable = 0)
    {
        Tell(FrontEndRequest.SetVringNum, new VringState((uint)index, layout.Size));
        Tell(FrontEndRequest.SetVringBase, new VringState((uint)index, lastAvailable));
        Tell(FrontEndRequest.SetVringAddr, new VringAddress((uint)index, 0, layout.DescriptorTable, layout.UsedRing, layout.AvailableRing, 0));
    }

    /// <summary>Gives the descriptor with which the driver kicks.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetVringKick(int index, EventFd kick) => TellDescriptor(FrontEndRequest.SetVringKick, index, kick);

    /// <summary>Gives the descriptor with which the device calls; null = the driver polls.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetVringCall(int index, EventFd? call) => TellDescriptor(FrontEndRequest.SetVringCall, index, call);

    /// <summary>Gives the descriptor with which the device reports that a queue is broken; null = nobody wants to know.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetVringError(int index, EventFd? error) => TellDescriptor(FrontEndRequest.SetVringErr, index, error);

    /// <summary>Enables or disables a ring.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public void SetVringEnable(int index, bool enabled) => Tell(FrontEndRequest.SetVringEnable, new VringState((uint)index, enabled ? 1u : 0u));

    /// <summary>Stops a ring.</summary>
    /// <returns>The available index from which it would go on.</returns>
    /// <inheritdoc cref="GetFeatures"/>
    public ushort GetVringBase(int index)
    {
        lock (_lock)
        {
            var request = new VringState((uint)index, 0);
            Send(FrontEndRequest.GetVringBase, MessageFlags.None, MemoryMarshal.AsBytes(new ReadOnlySpan<VringState>(in request)));
            var state = MessageChannel.ReadPayload<VringState>("The reply to GET_VRING_BASE", ReceiveReply(FrontEndRequest.GetVringBase));
            return state.Number <= ushort.MaxValue ? (ushort)state.Number : throw new VhostUserException($"The back-end says that ring {index} is at {state.Number}.");
        }
    }

    /// <summary>Reads the configuration space from its first byte.</summary>
    /// <param name="destination">At most 256 bytes.</param>
    /// <inheritdoc cref="GetFeatures"/>
    public void ReadConfiguration(Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(destination.Length, ConfigurationHeader.MaximumLength);
        Span<byte> request = stackalloc byte[ConfigurationHeader.Size + destination.Length];
        request.Clear();
        MemoryMarshal.Write(request, new ConfigurationHeader(0, (uint)destination.Length, 0));
        lock (_lock)
        {
            Send(FrontEndRequest.GetConfig, MessageFlags.None, request);
            var reply = ReceiveReply(FrontEndRequest.GetConfig);
            if (ConfigurationHeader.Read(reply, "The reply to GET_CONFIG").Length != destination.Length)
            {
                throw new VhostUserException("The back-end cannot read its configuration space.");
            }

            reply[ConfigurationHeader.Size..].CopyTo(destination);
        }
    }

    /// <summary>Asks for the sizes of the shared memory regions, in bytes; 0 = there is none with this index.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public ulong[] GetSharedMemorySizes()
    {
        lock (_lock)
        {
            Send(FrontEndRequest.GetSharedMemoryConfig, MessageFlags.None, []);
            return SharedMemoryConfigMessage.Read(ReceiveReply(FrontEndRequest.GetSharedMemoryConfig));
        }
    }

    /// <summary>Gives the back-end a channel for its own requests.</summary>
    /// <param name="handler">Carries the requests out.</param>
    /// <exception cref="InvalidOperationException">It has one.</exception>
    /// <inheritdoc cref="GetFeatures"/>
    public void OpenRequestChannel(BackEndRequestHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        if (_requests is not null)
        {
            throw new InvalidOperationException("The back-end has a channel.");
        }

        (var own, var theirs) = UnixSocket.Pair();
        using (theirs)
        {
            _requests = new BackEndRequestServer(own, handler, _patience);
            Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], [theirs.Descriptor]);
        }
    }

    /// <summary>Ends the connection: calls under way fail. Any thread.</summary>
    public void Disconnect() => _channel.Socket.Shutdown();

    /// <summary>Closes the connection; the device stops. Not from a request handler.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }
        // Wakes whoever waits for an answer, the handler of requests among them.
        _channel.Socket.Shutdown();
        _requests?.Dispose();
        _channel.Dispose();
    }

    private void TellDescriptor(FrontEndRequest request, int index, EventFd? eventFd)
    {
        var payload = (uint)index | (eventFd is null ? VringDescriptor.NoDescriptor : 0);
        if (eventFd is null)
        {
            Tell(request, payload);
        }
        else
        {
            Tell(request, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in payload)), [eventFd.Descriptor]);
        }
    }

    private void Tell<T>(FrontEndRequest request, T payload) where T : unmanaged =>
        Tell(request, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in payload)));

    private void Tell(FrontEndRequest request, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        lock (_lock)
        {
            var acknowledged = (_protocolFeatures & ProtocolFeatures.ReplyAcknowledgement) != 0;
            Send(request, acknowledged ? MessageFlags.NeedReply : MessageFlags.None, payload, descriptors);
            if (acknowledged && MessageChannel.ReadPayload<ulong>($"The reply to {request}", ReceiveReply(request)) != 0)
            {
                throw new VhostUserException($"The back-end refused {request}.");
            }
        }
    }

    private ulong AskNumber(FrontEndRequest request)
    {
        lock (_lock)
        {
            Send(request, MessageFlags.None, []);
            return MessageChannel.ReadPayload<ulong>($"The reply to {request}", ReceiveReply(request));
        }
    }

    private void Send(FrontEndRequest request, MessageFlags flags, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        try
        {
            _channel.Send((uint)request, flags, payload, descriptors);
        }
        catch (LinuxException failure)
        {
            throw GiveUp(request, failure);
        }
    }

    private ReadOnlySpan<byte> ReceiveReply(FrontEndRequest request)
    {
        try
        {
            if (!_channel.TryReceive(out var header, out var payload, Deadline.After(_patience)))
            {
                throw Closed(request, null);
            }

            if (!header.IsReply || header.Request != (uint)request)
            {
                throw new VhostUserException($"The back-end answered {request} with message {header.Request}.");
            }

            return payload;
        }
        catch (LinuxException failure)
        {
            throw GiveUp(request, failure);
        }
    }

    private VhostUserException GiveUp(FrontEndRequest request, LinuxException failure)
    {
        // An answer that comes after all would be taken for the next one's.
        _channel.Socket.Shutdown();
        return failure.Errno == Errno.EAGAIN
            ? new VhostUserException($"The back-end does not answer {request}. It may be serving another front-end.", failure)
            : Closed(request, failure);
    }

    private static VhostUserException Closed(FrontEndRequest request, LinuxException? failure) =>
        new($"The back-end closed the connection instead of answering {request}.", failure);
}
