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
/// <param name="device">The device.</param>
/// <param name="patience">How long the front-end may take to read and to answer a request.</param>
/// <param name="violated">Called, on the channel's thread, when the front-end misuses the channel: the connection is to end.</param>
internal sealed class SharedMemoryMapper(BackEndDevice device, TimeSpan patience, Action<VhostUserException> violated) : IRequestSource, IDisposable
{
    private readonly Lock _lock = new();

    // All of these under the lock.
    private readonly bool[] _wanted = new bool[device.SharedMemory.Count];
    private RequestChannel? _channel;
    private bool _open, _configurationChanged;

    // Only the connection's thread touches this: where the guest sees each region, as the device was told last.
    private readonly ulong?[] _visible = new ulong?[device.SharedMemory.Count];

    // Only the channel's thread touches this: the region that it asks for, or -1.
    private int _asking = -1;

    /// <summary>Takes over the channel. One that was there before is closed.</summary>
    /// <param name="socket">The socket; owned from now on, also if this throws.</param>
    /// <param name="acknowledged">Whether the front-end answers requests.</param>
    /// <exception cref="LinuxException">There is no descriptor left.</exception>
    /// <exception cref="VhostUserException">There is no thread left.</exception>
    internal void SetChannel(UnixSocket socket, bool acknowledged)
    {
        CloseChannel();
        lock (_lock)
        {
            _channel = new RequestChannel(socket, acknowledged, patience, this);
        }
    }

    /// <summary>The device has started: requests may be sent from now on.</summary>
    internal void DeviceStarted(MemoryTable memory, bool negotiated)
    {
        Array.Clear(_visible);
        lock (_lock)
        {
            _open = true;
        }

        for (var i = 0; i < _visible.Length; i++)
        {
            if (device.SharedMemory[i] is not { } region)
            {
                continue;
            }

            if (memory.TryFind(region.Descriptor.Identity, region.Length, out var address))
            {
                Show(i, address);
            }
            else if (!negotiated)
            {
                device.SharedMemoryFailed(i, new VhostUserException("The front-end does not offer shared memory regions (protocol feature SHMEM)."));
            }
            else if (!TryWish(i))
            {
                device.SharedMemoryFailed(i, new VhostUserException("The front-end gave no channel on which to ask for shared memory."));
            }
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
        for (var i = 0; i < _visible.Length; i++)
        {
            if (device.SharedMemory[i] is not { } region)
            {
                continue;
            }

            if (memory.TryFind(region.Descriptor.Identity, region.Length, out var address))
            {
                if (_visible[i] != address)
                {
                    Show(i, address);
                }
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
            if (!_open || _channel is null)
            {
                return false;
            }

            _configurationChanged = true;
            _channel.Wake();
            return true;
        }
    }

    /// <summary>Ends the thread and closes the channel.</summary>
    public void Dispose() => CloseChannel();

    /// <inheritdoc/>
    void IRequestSource.SendAll(RequestChannel channel)
    {
        while (TryTakeWish(channel, out _asking))
        {
            if (_asking < 0)
            {
                channel.Send(BackEndRequest.ConfigChange);
            }
            else
            {
                Map(channel, _asking);
            }
        }
    }

    /// <inheritdoc/>
    bool IRequestSource.TryGiveUp(RequestChannel channel, Exception? failure)
    {
        lock (_lock)
        {
            if (!ReferenceEquals(_channel, channel))
            {
                return false;
            }

            _channel = null;
        }

        if (failure is not null && _asking >= 0)
        {
            device.SharedMemoryFailed(_asking, failure);
        }

        return true;
    }

    /// <inheritdoc/>
    void IRequestSource.Violated(VhostUserException violation) => violated(violation);

    private void Show(int region, ulong address)
    {
        _visible[region] = address;
        device.SharedMemoryVisible(region, address);
    }

    private bool TryWish(int region)
    {
        lock (_lock)
        {
            if (_channel is null)
            {
                return false;
            }

            _wanted[region] = true;
            _channel.Wake();
            return true;
        }
    }

    private void CloseChannel()
    {
        RequestChannel? channel;
        lock (_lock)
        {
            (channel, _channel) = (_channel, null);
        }

        channel?.Dispose();
    }

    /// <summary>Finds something to ask for: a region, or -1 for the configuration change. False if there is nothing.</summary>
    private bool TryTakeWish(RequestChannel channel, out int region)
    {
        lock (_lock)
        {
            region = -1;
            if (!_open || !ReferenceEquals(_channel, channel))
            {
                return false;
            }

            if (_configurationChanged)
            {
                _configurationChanged = false;
                return true;
            }

            region = Array.IndexOf(_wanted, true);
            if (region >= 0)
            {
                _wanted[region] = false;
            }

            return region >= 0;
        }
    }

    private void Map(RequestChannel channel, int region)
    {
        var memory = device.SharedMemory[region]!;
        var message = new SharedMemoryMapMessage((byte)region, 0, 0, memory.Length, SharedMemoryMapMessage.Writable);
        var result = channel.Ask(BackEndRequest.SharedMemoryMap, message, memory.Descriptor);
        if (result == 0)
        {
            device.SharedMemoryMapped(region);
        }
        else
        {
            device.SharedMemoryFailed(region, new VhostUserException($"The front-end refused to map shared memory region {region} ({(long)result})."));
        }
    }
}
