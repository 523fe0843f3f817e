// Keeps a device's shared memory regions mapped into the guest, over the back-end's own channel.
using Virtio.Linux;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

/// <summary>
/// Asks the front-end to map each region at each start of the device, unless the memory table shows that the guest sees
/// it already, and watches the memory table for it.
/// </summary>
/// <remarks>
/// A front-end does not read this channel while it waits for an answer on the main one, and it falls over when it is
/// asked to map something while the device is not started. So requests are sent, and their answers awaited, on a thread of
/// their own, only between <see cref="DeviceStarted"/> and <see cref="DeviceStopping"/>. What is still to be sent is a
/// set of wishes, not a list: it cannot grow.
/// </remarks>
sealed class SharedMemoryMapper(BackEndDevice device) : IDisposable
{
    readonly object _lock = new();
    // All of these under the lock.
    readonly bool[] _wanted = new bool[device.SharedMemory.Count];
    MessageChannel? _requests;
    Thread? _thread;
    bool _acknowledged, _open, _configurationChanged;

    // Only the connection's thread touches this: where the guest sees each region, as the device was told last.
    readonly ulong?[] _visible = new ulong?[device.SharedMemory.Count];

    /// <summary>Takes over the channel. One that was there before is closed.</summary>
    /// <param name="socket">The socket; owned from now on.</param>
    /// <param name="acknowledged">Whether the front-end answers requests.</param>
    internal void SetChannel(UnixSocket socket, bool acknowledged)
    {
        CloseChannel();
        lock (_lock)
        {
            var channel = new MessageChannel(socket);
            _requests = channel;
            _acknowledged = acknowledged;
            _thread = new Thread(() => Serve(channel)) { IsBackground = true, Name = "vhost-user requests" };
            _thread.Start();
        }
    }

    /// <summary>The device has started: requests may be sent from now on.</summary>
    internal void DeviceStarted(MemoryTable memory, bool negotiated)
    {
        Array.Clear(_visible);
        lock (_lock)
            _open = true;
        for (int i = 0; i < _visible.Length; i++)
        {
            if (device.SharedMemory[i] is not { } region)
                continue;
            if (memory.TryFind(region.Descriptor.Identity, region.Length, out ulong address))
                Show(i, address);
            else if (!negotiated)
                device.SharedMemoryFailed(i, new VhostUserException("The front-end does not offer shared memory regions (protocol feature SHMEM)."));
            else if (!TryWish(i))
                device.SharedMemoryFailed(i, new VhostUserException("The front-end gave no channel on which to ask for shared memory."));
        }
    }

    /// <summary>The device is about to stop: no request may be sent any more.</summary>
    internal void DeviceStopping()
    {
        lock (_lock)
        {
            _open = false;
            _configurationChanged = false;
            Array.Clear(_wanted);
        }
    }

    /// <summary>Looks for the regions in a new memory table.</summary>
    internal void MemoryChanged(MemoryTable memory)
    {
        for (int i = 0; i < _visible.Length; i++)
        {
            if (device.SharedMemory[i] is not { } region)
                continue;
            if (memory.TryFind(region.Descriptor.Identity, region.Length, out ulong address))
            {
                if (_visible[i] != address)
                    Show(i, address);
            }
            else if (_visible[i] is not null)
            {
                // The guest moves its PCI windows, for one; the region comes back by itself.
                _visible[i] = null;
                device.SharedMemoryHidden(i);
            }
        }
    }

    internal bool NotifyConfigurationChanged()
    {
        lock (_lock)
        {
            if (!_open || _requests is null)
                return false;
            _configurationChanged = true;
            Monitor.Pulse(_lock);
            return true;
        }
    }

    /// <summary>Ends the thread and closes the channel.</summary>
    public void Dispose() => CloseChannel();

    void Show(int region, ulong address)
    {
        _visible[region] = address;
        device.SharedMemoryVisible(region, address);
    }

    bool TryWish(int region)
    {
        lock (_lock)
        {
            if (_requests is null)
                return false;
            _wanted[region] = true;
            Monitor.Pulse(_lock);
            return true;
        }
    }

    void CloseChannel()
    {
        MessageChannel? channel;
        Thread? thread;
        lock (_lock)
        {
            (channel, thread) = (_requests, _thread);
            (_requests, _thread) = (null, null);
            Monitor.Pulse(_lock);
        }
        if (channel is null)
            return;
        // Wakes the thread if it waits for an answer; it waits for nothing else.
        channel.Socket.Shutdown();
        thread?.Join();
        channel.Dispose();
    }

    /// <summary>The thread: sends one request after the other, and waits for the answer to each.</summary>
    void Serve(MessageChannel channel)
    {
        while (TryTakeWish(channel, out int region))
        {
            try
            {
                if (region < 0)
                    channel.Send((uint)BackEndRequest.ConfigChange, MessageFlags.None, []);
                else
                    Map(channel, region);
            }
            catch (Exception failure) when (failure is LinuxException or VhostUserException)
            {
                // After a failure nobody knows what the next answer on this channel belongs to.
                if (!TryAbandon(channel))
                    return;
                if (region >= 0)
                    device.SharedMemoryFailed(region, failure);
                channel.Dispose();
                return;
            }
        }
    }

    /// <summary>Waits for something to ask for: a region, or -1 for the configuration change. False at the end.</summary>
    bool TryTakeWish(MessageChannel channel, out int region)
    {
        lock (_lock)
        {
            while (ReferenceEquals(_requests, channel))
            {
                if (_open && _configurationChanged)
                {
                    _configurationChanged = false;
                    region = -1;
                    return true;
                }
                region = _open ? Array.IndexOf(_wanted, true) : -1;
                if (region >= 0)
                {
                    _wanted[region] = false;
                    return true;
                }
                Monitor.Wait(_lock);
            }
            region = -1;
            return false;
        }
    }

    void Map(MessageChannel channel, int region)
    {
        ulong result = RequestMap(channel, region);
        if (result == 0)
            device.SharedMemoryMapped(region);
        else
            device.SharedMemoryFailed(region, new VhostUserException($"The front-end refused to map shared memory region {region} ({(long)result})."));
    }

    ulong RequestMap(MessageChannel channel, int region)
    {
        SharedMemoryRegion memory = device.SharedMemory[region]!;
        var message = new SharedMemoryMapMessage((byte)region, 0, 0, memory.Length, SharedMemoryMapMessage.Writable);
        channel.Send((uint)BackEndRequest.SharedMemoryMap, _acknowledged ? MessageFlags.NeedReply : MessageFlags.None, message, [memory.Descriptor]);
        if (!_acknowledged)
            return 0;
        if (!channel.TryReceive(out MessageHeader reply, out ReadOnlySpan<byte> payload))
            throw new VhostUserException("The front-end closed the channel for requests.");
        if (!reply.IsReply || reply.Request != (uint)BackEndRequest.SharedMemoryMap)
            throw new VhostUserException($"The front-end answered SHMEM_MAP with message {reply.Request}.");
        return MessageChannel.ReadPayload<ulong>("The reply to SHMEM_MAP", payload);
    }

    /// <summary>Gives the channel up, unless somebody else has taken it away to close it.</summary>
    bool TryAbandon(MessageChannel channel)
    {
        lock (_lock)
        {
            if (!ReferenceEquals(_requests, channel))
                return false;
            (_requests, _thread) = (null, null);
            return true;
        }
    }
}
