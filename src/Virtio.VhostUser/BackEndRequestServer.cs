// The front-end's end of the back-end's own channel.
using Virtio.Linux;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>Reads a back-end's requests on a thread of its own, has them carried out, and answers.</summary>
internal sealed class BackEndRequestServer : IDisposable
{
    private readonly MessageChannel _channel;
    private readonly BackEndRequestHandler _handler;
    private readonly Thread _thread;

    internal BackEndRequestServer(UnixSocket socket, BackEndRequestHandler handler, TimeSpan patience)
    {
        _channel = new MessageChannel(socket, patience);
        _handler = handler;
        _thread = new Thread(Serve) { IsBackground = true, Name = "vhost-user back-end requests" };
        try
        {
            _thread.Start();
        }
        catch (OutOfMemoryException failure)
        {
            _channel.Dispose();
            throw new VhostUserException("The system has no thread left for the back-end's requests.", failure);
        }
    }

    /// <summary>Ends the thread. Not to be called on it.</summary>
    public void Dispose()
    {
        _channel.Socket.Shutdown();
        _thread.Join();
        _channel.Dispose();
    }

    private void Serve()
    {
        try
        {
            while (_channel.TryReceive(out var header, out var payload))
            {
                var done = TryHandle((BackEndRequest)header.Request, payload);
                if (header.NeedsReply)
                {
                    _channel.Send(header.Request, MessageFlags.Reply, done ? 0UL : 1UL);
                }

                if (done)
                {
                    _handler.Answered((BackEndRequest)header.Request);
                }
            }
        }
        catch (Exception failure) when (failure is LinuxException or VhostUserException)
        {
            // The back-end is gone or speaks something else; it sees the end of the channel.
            _channel.Socket.Shutdown();
        }
    }

    private bool TryHandle(BackEndRequest request, ReadOnlySpan<byte> payload)
    {
        try
        {
            switch (request)
            {
                case BackEndRequest.ConfigChange:
                    _handler.ConfigurationChanged();
                    return true;
                case BackEndRequest.SharedMemoryMap when _channel.Descriptors.Count == 1:
                    var map = MessageChannel.ReadPayload<SharedMemoryMapMessage>("SHMEM_MAP", payload);
                    using (var descriptor = _channel.Descriptors.Take(0))
                    {
                        _handler.Map(map.Region, map.RegionOffset, descriptor, map.FileOffset, map.Length, (map.Flags & SharedMemoryMapMessage.Writable) != 0);
                    }

                    return true;
                case BackEndRequest.SharedMemoryUnmap:
                    var unmap = MessageChannel.ReadPayload<SharedMemoryMapMessage>("SHMEM_UNMAP", payload);
                    _handler.Unmap(unmap.Region, unmap.RegionOffset, unmap.Length);
                    return true;
                default:
                    return false;
            }
        }
        catch (Exception failure) when (failure is LinuxException or VhostUserException or ArgumentException)
        {
            return false;
        }
    }
}
