// How a back-end follows the guest's memory and shows its own in it.
using Virtio.Linux;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

public sealed partial class BackEnd
{
    private void SetMemoryTable(ReadOnlySpan<byte> payload)
    {
        var messages = MemoryTableMessage.Read(payload, _channel.Descriptors.Count);
        var next = _state.Memory.Map(messages, _channel.Descriptors, _memoryRules);
        // Front-ends send a new table whenever anything is mapped into the guest, our own regions too. While nothing is
        // taken away, the queues need not know.
        if (_state.Started && _state.Memory.LosesMappings(next))
        {
            foreach (var vring in _state.Vrings)
            {
                vring.Mute();
            }

            _device.MemoryChanging();
            _state.Memory.Replace(next);
            foreach (var vring in _state.Vrings.Where(vring => vring.Started is not null))
            {
                vring.Unmute();
            }

            _device.MemoryChanged();
        }
        else
        {
            _state.Memory.Replace(next);
        }
        if (_state.Started)
        {
            _mapper.MemoryChanged(_state.Memory);
        }
    }

    private void GetSharedMemoryConfiguration()
    {
        Span<ulong> sizes = stackalloc ulong[SharedMemoryConfigMessage.MaximumRegions];
        sizes.Clear();
        for (var i = 0; i < _device.SharedMemory.Count; i++)
        {
            sizes[i] = _device.SharedMemory[i]?.Length ?? 0;
        }

        Span<byte> reply = stackalloc byte[SharedMemoryConfigMessage.Size];
        SharedMemoryConfigMessage.Write(sizes, reply);
        Reply(FrontEndRequest.GetSharedMemoryConfig, reply);
    }

    private void SetBackEndChannel()
    {
        if (_channel.Descriptors.Count != 1)
        {
            throw new VhostUserException($"SET_BACKEND_REQ_FD carries {_channel.Descriptors.Count} descriptors instead of 1.");
        }

        if (!_state.Has(ProtocolFeatures.BackEndRequests))
        {
            throw new VhostUserException("SET_BACKEND_REQ_FD without the protocol feature for it.");
        }

        UnixSocket? socket = null;
        try
        {
            socket = UnixSocket.FromDescriptor(_channel.Descriptors.Take(0));
            CheckBackEndChannel(socket);
            _mapper.SetChannel(socket, _state.Has(ProtocolFeatures.ReplyAcknowledgement));
        }
        catch (Exception failure) when (failure is ArgumentException or LinuxException or VhostUserException)
        {
            socket?.Discard();
            throw new VhostUserException($"SET_BACKEND_REQ_FD: {failure.Message}", failure);
        }
    }

    /// <summary>A channel must lead to the front-end.</summary>
    /// <exception cref="VhostUserException">It leads nowhere, or back here.</exception>
    /// <exception cref="LinuxException">It is not connected.</exception>
    private void CheckBackEndChannel(UnixSocket socket)
    {
        if (socket.IsListening)
        {
            throw new VhostUserException("the socket listens; it must be connected.");
        }

        // The front-end's own end of this connection, kept here, would keep the connection alive without the front-end;
        // the end of another connection to this process, that one. All of them have a peer of a name that is known.
        if (socket.PeerName is { Length: > 0 } peer && _ownNames.Append(_channel.Socket.Name).Any(own => peer.AsSpan().SequenceEqual(own)))
        {
            socket.Dispose(); // not Discard, which would end that connection; nothing but what was sent from here lies in it
            throw new VhostUserException("the socket is the end of a connection to this back-end.");
        }
    }
}
