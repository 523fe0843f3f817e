// The back-end's end of a vhost-user connection: its life, and the loop that answers messages.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>
/// Serves one front-end, for one device: negotiates, maps the guest's memory, starts and stops the queues, answers for
/// the configuration space, and keeps the device's shared memory regions mapped into the guest.
/// </summary>
/// <remarks>
/// The front-end is not trusted: every size, index, address and descriptor is checked. A bad message that asks for an
/// answer gets a negative one; one that does not ends the connection. No message makes this process use memory or
/// descriptors without bound.
/// </remarks>
public sealed partial class BackEnd : IDisposable
{
    // What a negative answer holds. Front-ends look only at whether it is 0.
    private static readonly ulong Refused = unchecked((ulong)-(long)Errno.EINVAL);

    private readonly MessageChannel _channel;
    private readonly BackEndDevice _device;
    private readonly MemoryRules _memoryRules;
    private readonly ConnectionState _state;
    private readonly SharedMemoryMapper _mapper;
    private readonly TimeSpan _patience;
    private readonly IReadOnlyList<byte[]> _ownNames;
    private volatile VhostUserException? _violation;
    private volatile bool _stopping;
    private int _ran;

    /// <summary>Makes a back-end for a connection. Nothing is read until <see cref="Run"/>.</summary>
    /// <param name="connection">The connection; owned from now on.</param>
    /// <param name="device">The device.</param>
    /// <param name="options">What to insist on.</param>
    /// <exception cref="ArgumentException">The device says something that cannot be.</exception>
    public BackEnd(UnixSocket connection, BackEndDevice device, BackEndOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(connection);
        ArgumentNullException.ThrowIfNull(device);
        if (device.QueueCount is < 1 or > 256)
        {
            throw new ArgumentException($"A device has 1 to 256 queues, not {device.QueueCount}.", nameof(device));
        }

        if (device.ConfigurationLength is < 0 or > ConfigurationHeader.MaximumLength)
        {
            throw new ArgumentException($"A configuration space has at most {ConfigurationHeader.MaximumLength} bytes.", nameof(device));
        }

        if (device.SharedMemory.Count > SharedMemoryConfigMessage.MaximumRegions)
        {
            throw new ArgumentException($"A device has at most {SharedMemoryConfigMessage.MaximumRegions} shared memory regions.", nameof(device));
        }

        options ??= new BackEndOptions();
        (_patience, _ownNames) = (options.Patience, options.OwnNames);
        _channel = new MessageChannel(connection, _patience);
        _device = device;
        _memoryRules = new MemoryRules(options, device);
        _state = new ConnectionState(device.QueueCount);
        _mapper = new SharedMemoryMapper(device, _patience, EndByViolation);
    }

    /// <summary>The guest's memory, empty until the front-end tells it. Any thread may read it while queues run.</summary>
    public GuestMemory Memory => _state.Memory;

    private VirtioFeatures OfferedFeatures => _device.Features | VirtioFeatures.Version1 | VirtioFeatures.ProtocolFeatures |
        VirtioFeatures.IndirectDescriptors | VirtioFeatures.EventIndex;

    private ProtocolFeatures OfferedProtocolFeatures => ProtocolFeatures.MultipleQueues | ProtocolFeatures.ReplyAcknowledgement |
        (_device.ConfigurationLength > 0 ? ProtocolFeatures.Configuration : 0) |
        ProtocolFeatures.BackEndRequests | (_device.SharedMemory.Count > 0 ? ProtocolFeatures.SharedMemory : 0);

    /// <summary>
    /// Serves the connection until the front-end closes it or <see cref="Stop"/> is called. When it returns or throws, all
    /// queues have stopped, <see cref="BackEndDevice.Disconnected"/> was called and everything that came over the
    /// connection is closed. Call it once.
    /// </summary>
    /// <exception cref="VhostUserException">The front-end broke the protocol, so that the connection could not go on.</exception>
    /// <exception cref="LinuxException">The connection failed.</exception>
    public void Run()
    {
        if (Interlocked.Exchange(ref _ran, 1) != 0)
        {
            throw new InvalidOperationException("A back-end runs once.");
        }

        try
        {
            _state.Signals.Own();
            _channel.Socket.EnsureName();
            while (_channel.TryReceive(out var header, out var payload))
            {
                Answer(header, payload);
            }
        }
        catch (Exception failure) when (_stopping && failure is LinuxException or VhostUserException)
        {
            // What breaks while we are shutting the connection down is no failure.
        }
        catch (LinuxException failure) when (failure.Errno is Errno.ECONNRESET or Errno.EPIPE)
        {
            // A front-end that died with something unread has closed the connection, too.
        }
        catch (LinuxException failure) when (failure.Errno is Errno.EAGAIN)
        {
            throw new VhostUserException($"The front-end did not send the rest of a message, or does not read the answers, for {_patience.TotalSeconds:0.#} seconds.", failure);
        }
        finally
        {
            try
            {
                StopAll();
                _device.Disconnected();
            }
            finally
            {
                Close();
            }
        }

        if (_violation is { } violation && !_stopping)
        {
            throw violation;
        }
    }

    /// <summary>Makes <see cref="Run"/> return soon. From any thread, any number of times, also before <see cref="Run"/>.</summary>
    public void Stop()
    {
        _stopping = true;
        ShutDown();
    }

    /// <summary>The front-end misused the back-end's channel. On the channel's thread.</summary>
    private void EndByViolation(VhostUserException violation)
    {
        _violation = violation;
        ShutDown();
    }

    private void ShutDown()
    {
        try
        {
            _channel.Socket.Shutdown();
        }
        catch (ObjectDisposedException)
        {
            // It has ended already.
        }
    }

    /// <summary>Tells the driver that the configuration space has changed. From any thread; does not wait.</summary>
    /// <returns>False if the front-end has no way to hear it, or no driver runs that could.</returns>
    public bool NotifyConfigurationChanged() => _mapper.NotifyConfigurationChanged();

    /// <summary>Closes the connection, if <see cref="Run"/> did not. Not while it runs.</summary>
    public void Dispose() => Close();

    private void Close()
    {
        _mapper.Dispose();
        _state.Dispose();
        _channel.Dispose();
    }

    /// <summary>Handles one message and sends the answer that it wants.</summary>
    private void Answer(MessageHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.IsReply)
        {
            throw new VhostUserException($"Message {header.Request} is a reply; nothing was asked.");
        }

        var request = (FrontEndRequest)header.Request;
        var acknowledge = header.NeedsReply && _state.Has(ProtocolFeatures.ReplyAcknowledgement);
        try
        {
            if (HandleQuestion(request, payload))
            {
                return;
            }

            HandleCommand(request, payload);
            // The message that switches acknowledgements on can already want one.
            acknowledge = header.NeedsReply && _state.Has(ProtocolFeatures.ReplyAcknowledgement);
        }
        catch (VhostUserException reason) when (acknowledge && !IsQuestion(request))
        {
            _device.MessageRefused(request, reason);
            Reply(request, Refused);
            return;
        }
        if (acknowledge)
        {
            Reply(request, 0UL);
        }
    }

    private static bool IsQuestion(FrontEndRequest request) => request is FrontEndRequest.GetFeatures or FrontEndRequest.GetProtocolFeatures
        or FrontEndRequest.GetQueueNum or FrontEndRequest.GetVringBase or FrontEndRequest.GetConfig or FrontEndRequest.GetSharedMemoryConfig;

    /// <summary>Answers a message that has an answer of its own; false if it is none of these.</summary>
    private bool HandleQuestion(FrontEndRequest request, ReadOnlySpan<byte> payload)
    {
        switch (request)
        {
            case FrontEndRequest.GetFeatures:
                Reply(request, (ulong)OfferedFeatures);
                return true;
            case FrontEndRequest.GetProtocolFeatures:
                Reply(request, (ulong)OfferedProtocolFeatures);
                return true;
            case FrontEndRequest.GetQueueNum:
                Reply(request, (ulong)_device.QueueCount);
                return true;
            case FrontEndRequest.GetVringBase:
                GetVringBase(payload);
                return true;
            case FrontEndRequest.GetConfig:
                GetConfiguration(payload);
                return true;
            case FrontEndRequest.GetSharedMemoryConfig:
                GetSharedMemoryConfiguration();
                return true;
            default:
                return false;
        }
    }

    private void HandleCommand(FrontEndRequest request, ReadOnlySpan<byte> payload)
    {
        switch (request)
        {
            case FrontEndRequest.SetOwner:
                break;
            case FrontEndRequest.ResetOwner:
                StopAll();
                break;
            case FrontEndRequest.SetFeatures:
                SetFeatures(MessageChannel.ReadPayload<ulong>("SET_FEATURES", payload));
                break;
            case FrontEndRequest.SetProtocolFeatures:
                SetProtocolFeatures(MessageChannel.ReadPayload<ulong>("SET_PROTOCOL_FEATURES", payload));
                break;
            case FrontEndRequest.SetMemoryTable:
                SetMemoryTable(payload);
                break;
            case FrontEndRequest.SetVringNum:
                SetVringNum(payload);
                break;
            case FrontEndRequest.SetVringBase:
                SetVringBase(payload);
                break;
            case FrontEndRequest.SetVringAddr:
                SetVringAddress(payload);
                break;
            case FrontEndRequest.SetVringKick:
                SetVringKick(payload);
                break;
            case FrontEndRequest.SetVringCall:
                SetVringCall(payload);
                break;
            case FrontEndRequest.SetVringErr:
                SetVringError(payload);
                break;
            case FrontEndRequest.SetVringEnable:
                SetVringEnable(payload);
                break;
            case FrontEndRequest.SetBackEndRequestDescriptor:
                SetBackEndChannel();
                break;
            case FrontEndRequest.SetConfig:
                ConfigurationHeader.Read(payload, "SET_CONFIG");
                throw new VhostUserException("SET_CONFIG: the configuration space of this device cannot be written.");
            default:
                throw new VhostUserException($"Message {(uint)request} is not known here.");
        }
    }

    private void SetFeatures(ulong features)
    {
        if ((features & ~(ulong)OfferedFeatures) != 0)
        {
            throw new VhostUserException($"SET_FEATURES has bits that were not offered: 0x{features & ~(ulong)OfferedFeatures:x}.");
        }

        if ((VirtioFeatures)features != _state.Features && _state.Started)
        {
            throw new VhostUserException("SET_FEATURES changes the features of a running device.");
        }

        _state.Features = (VirtioFeatures)features;
    }

    private void SetProtocolFeatures(ulong features)
    {
        if ((features & ~(ulong)OfferedProtocolFeatures) != 0)
        {
            throw new VhostUserException($"SET_PROTOCOL_FEATURES has bits that were not offered: 0x{features & ~(ulong)OfferedProtocolFeatures:x}.");
        }

        _state.ProtocolFeatures = (ProtocolFeatures)features;
    }

    private void GetConfiguration(ReadOnlySpan<byte> payload)
    {
        var wanted = ConfigurationHeader.Read(payload, "GET_CONFIG");
        Span<byte> space = stackalloc byte[ConfigurationHeader.MaximumLength];
        space.Clear();
        _device.ReadConfiguration(space[.._device.ConfigurationLength]);
        Span<byte> reply = stackalloc byte[ConfigurationHeader.Size + (int)wanted.Length];
        MemoryMarshal.Write(reply, wanted);
        // What lies behind the device's configuration reads zero.
        space.Slice((int)wanted.Offset, (int)wanted.Length).CopyTo(reply[ConfigurationHeader.Size..]);
        Reply(FrontEndRequest.GetConfig, reply);
    }

    private void Reply(FrontEndRequest request, ulong value) =>
        Reply(request, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in value)));

    private void Reply(FrontEndRequest request, ReadOnlySpan<byte> payload)
    {
        // Whoever has the answer can rely on it that nothing of the message is still open here.
        _channel.Descriptors.Clear();
        _channel.Send((uint)request, MessageFlags.Reply, payload);
    }
}
