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
    readonly object _lock = new();
    readonly MessageChannel _channel;
    ProtocolFeatures _protocolFeatures;
    BackEndRequestServer? _requests;

    /// <summary>Makes a front-end for a connection.</summary>
    /// <param name="connection">The connection; owned from now on.</param>
    public FrontEnd(UnixSocket connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        _channel = new MessageChannel(connection);
    }

    /// <summary>Connects to a back-end that listens on a path.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="patience">How long the back-end may take to answer; null = for ever. One that takes longer is given up:
    /// the connection is over then.</param>
    /// <exception cref="LinuxException">Nobody listens there.</exception>
    public static FrontEnd Connect(string path, TimeSpan? patience = null)
    {
        UnixSocket socket = UnixSocket.Connect(path);
        if (patience is { } limit)
            socket.ReceiveTimeout = limit;
        return new FrontEnd(socket);
    }

    /// <summary>Hangs up (<see cref="PollEvents.HangUp"/>) when the back-end is gone. Only for polling.</summary>
    public FileDescriptor Connection => _channel.Socket.Descriptor;

    /// <summary>Asks for the virtio features that the device offers.</summary>
    /// <exception cref="VhostUserException">The back-end answered something else, or is gone.</exception>
    /// <exception cref="LinuxException">The connection failed.</exception>
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
        for (int i = 0; i < regions.Length; i++)
        {
            messages[i] = new MemoryRegionMessage(regions[i].GuestAddress, regions[i].Length, regions[i].UserAddress, regions[i].FileOffset);
            descriptors[i] = regions[i].Descriptor;
        }
        Span<byte> payload = stackalloc byte[MemoryTableMessage.HeaderSize + MemoryTableMessage.MaximumRegions * MemoryRegionMessage.Size];
        int length = MemoryTableMessage.Write(messages, payload);
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
            _channel.Send((uint)FrontEndRequest.GetVringBase, MessageFlags.None, new VringState((uint)index, 0));
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
            _channel.Send((uint)FrontEndRequest.GetConfig, MessageFlags.None, request);
            ReadOnlySpan<byte> reply = ReceiveReply(FrontEndRequest.GetConfig);
            if (ConfigurationHeader.Read(reply, "The reply to GET_CONFIG").Length != destination.Length)
                throw new VhostUserException("The back-end cannot read its configuration space.");
            reply[ConfigurationHeader.Size..].CopyTo(destination);
        }
    }

    /// <summary>Asks for the sizes of the shared memory regions, in bytes; 0 = there is none with this index.</summary>
    /// <inheritdoc cref="GetFeatures"/>
    public ulong[] GetSharedMemorySizes()
    {
        lock (_lock)
        {
            _channel.Send((uint)FrontEndRequest.GetSharedMemoryConfig, MessageFlags.None, []);
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
            throw new InvalidOperationException("The back-end has a channel.");
        (UnixSocket own, UnixSocket theirs) = UnixSocket.Pair();
        _requests = new BackEndRequestServer(own, handler);
        using (theirs)
            Tell(FrontEndRequest.SetBackEndRequestDescriptor, [], [theirs.Descriptor]);
    }

    /// <summary>Ends the connection: calls under way fail. Any thread.</summary>
    public void Disconnect() => _channel.Socket.Shutdown();

    /// <summary>Closes the connection; the device stops. Once only, and not from a request handler.</summary>
    public void Dispose()
    {
        // Wakes whoever waits for an answer, the handler of requests among them.
        _channel.Socket.Shutdown();
        _requests?.Dispose();
        _channel.Dispose();
    }

    void TellDescriptor(FrontEndRequest request, int index, EventFd? eventFd)
    {
        ulong payload = (uint)index | (eventFd is null ? VringDescriptor.NoDescriptor : 0);
        if (eventFd is null)
            Tell(request, payload);
        else
            Tell(request, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in payload)), [eventFd.Descriptor]);
    }

    void Tell<T>(FrontEndRequest request, T payload) where T : unmanaged =>
        Tell(request, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in payload)));

    void Tell(FrontEndRequest request, ReadOnlySpan<byte> payload, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        lock (_lock)
        {
            bool acknowledged = (_protocolFeatures & ProtocolFeatures.ReplyAcknowledgement) != 0;
            _channel.Send((uint)request, acknowledged ? MessageFlags.NeedReply : MessageFlags.None, payload, descriptors);
            if (acknowledged && MessageChannel.ReadPayload<ulong>($"The reply to {request}", ReceiveReply(request)) != 0)
                throw new VhostUserException($"The back-end refused {request}.");
        }
    }

    ulong AskNumber(FrontEndRequest request)
    {
        lock (_lock)
        {
            _channel.Send((uint)request, MessageFlags.None, []);
            return MessageChannel.ReadPayload<ulong>($"The reply to {request}", ReceiveReply(request));
        }
    }

    ReadOnlySpan<byte> ReceiveReply(FrontEndRequest request)
    {
        if (!TryReceive(request, out MessageHeader header, out ReadOnlySpan<byte> payload))
            throw new VhostUserException($"The back-end closed the connection instead of answering {request}.");
        if (!header.IsReply || header.Request != (uint)request)
            throw new VhostUserException($"The back-end answered {request} with message {header.Request}.");
        return payload;
    }

    bool TryReceive(FrontEndRequest request, out MessageHeader header, out ReadOnlySpan<byte> payload)
    {
        try
        {
            return _channel.TryReceive(out header, out payload);
        }
        catch (LinuxException failure) when (failure.Errno == Errno.EAGAIN)
        {
            // An answer that comes after all would be taken for the next one's.
            _channel.Socket.Shutdown();
            throw new VhostUserException($"The back-end does not answer {request}. It may be serving another front-end.", failure);
        }
    }
}
