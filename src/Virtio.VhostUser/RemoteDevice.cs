// A virtio device in another process, driven from this one.
using Virtio.Linux;
using Virtio.Queues;

namespace Virtio.VhostUser;

/// <summary>
/// Drives any device that a vhost-user back-end implements, without a VM: negotiates, gives the back-end memory, sets the
/// queues up, maps the device's shared memory regions. What goes through the queues is the caller's.
/// </summary>
/// <remarks>
/// <para>The life of a device: <see cref="Connect"/>, <see cref="Start"/>, work on the <see cref="Queues"/>,
/// <see cref="Stop"/> (a reset), <see cref="Start"/> again, <see cref="Dispose"/>. A back-end that is gone is noticed by
/// <see cref="Connection"/>; the device can be connected to again then.</para>
/// <para>The back-end is not trusted: what it says is checked, it cannot end this process, and it can keep a call waiting
/// no longer than <see cref="RemoteDeviceOptions.Patience"/>. All members are for one thread at a time.</para>
/// </remarks>
public sealed class RemoteDevice : IDisposable
{
    private const VirtioFeatures NeededFeatures = VirtioFeatures.Version1 | VirtioFeatures.ProtocolFeatures;

    private readonly Lock _telling = new();
    private readonly FrontEnd _frontEnd;
    private readonly RemoteSharedMemory _sharedMemory;
    private RemoteQueue[] _queues = [];
    private volatile bool _started;

    private RemoteDevice(FrontEnd frontEnd, RemoteDeviceOptions options)
    {
        _frontEnd = frontEnd;
        var offered = frontEnd.GetFeatures();
        if ((offered & NeededFeatures) != NeededFeatures)
        {
            throw new VhostUserException($"The device offers features 0x{(ulong)offered:x}; VERSION_1 (bit 32) and protocol features (bit 30) are needed.");
        }

        Features = offered & (options.Features | NeededFeatures);
        var protocol = frontEnd.GetProtocolFeatures() & ProtocolFeaturesOfThisLibrary;
        if ((protocol & ProtocolFeatures.BackEndRequests) == 0)
        {
            protocol &= ~ProtocolFeatures.SharedMemory;
        }

        frontEnd.SetProtocolFeatures(protocol);
        frontEnd.SetOwner();
        QueueCount = (protocol & ProtocolFeatures.MultipleQueues) != 0 ? (int)Math.Min(frontEnd.GetQueueCount(), 256) : null;
        var sizes = (protocol & ProtocolFeatures.SharedMemory) != 0 ? frontEnd.GetSharedMemorySizes() : [];
        SharedMemorySizes = sizes;
        _sharedMemory = new RemoteSharedMemory(sizes, options.RequireSealedMemory, TellMemory, () => ConfigurationChanged?.Invoke());
        Memory = new DriverMemory(options.MemoryLength);
        try
        {
            if ((protocol & ProtocolFeatures.BackEndRequests) != 0)
            {
                frontEnd.OpenRequestChannel(_sharedMemory);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The device has said that its configuration space has changed. On a thread of its own, which must not call this object.</summary>
    public event Action? ConfigurationChanged;

    private static ProtocolFeatures ProtocolFeaturesOfThisLibrary => ProtocolFeatures.MultipleQueues | ProtocolFeatures.ReplyAcknowledgement |
        ProtocolFeatures.BackEndRequests | ProtocolFeatures.Configuration | ProtocolFeatures.SharedMemory;

    /// <summary>The features in use.</summary>
    public VirtioFeatures Features { get; }

    /// <summary>How many queues the device has at most; null if it cannot say (then its type tells).</summary>
    public int? QueueCount { get; }

    /// <summary>The sizes of the shared memory regions in bytes, by their identifiers; 0 = there is none.</summary>
    public IReadOnlyList<ulong> SharedMemorySizes { get; }

    /// <summary>Where rings and buffers are.</summary>
    public DriverMemory Memory { get; }

    /// <summary>The queues, while the device is started; the index is the queue's.</summary>
    public IReadOnlyList<RemoteQueue> Queues => _queues;

    /// <summary>Hangs up (<see cref="PollEvents.HangUp"/>) when the back-end is gone. Only for polling.</summary>
    public FileDescriptor Connection => _frontEnd.Connection;

    /// <summary>Whether the back-end is gone.</summary>
    public bool IsGone => _frontEnd.IsGone;

    /// <summary>Connects to a back-end that listens on a path, and negotiates.</summary>
    /// <param name="path">The socket.</param>
    /// <param name="options">What the driver understands and needs.</param>
    /// <exception cref="LinuxException">Nobody listens there, or there is no memory or descriptor left.</exception>
    /// <exception cref="VhostUserException">The back-end cannot be driven, does not answer, or is gone.</exception>
    public static RemoteDevice Connect(string path, RemoteDeviceOptions? options = null)
    {
        options ??= new RemoteDeviceOptions();
        var frontEnd = FrontEnd.Connect(path, options.Patience);
        try
        {
            return new RemoteDevice(frontEnd, options);
        }
        catch
        {
            frontEnd.Dispose();
            throw;
        }
    }

    /// <summary>Starts the device with new, empty queues. It must be stopped.</summary>
    /// <param name="queueSizes">The number of descriptors of each queue, powers of two, from queue 0 on.</param>
    /// <exception cref="InvalidOperationException">The queues do not fit into the memory; the device is to be disposed of.</exception>
    /// <exception cref="VhostUserException">The back-end refused something or is gone; likewise.</exception>
    /// <exception cref="LinuxException">There is no descriptor left; likewise.</exception>
    public void Start(params ReadOnlySpan<ushort> queueSizes)
    {
        if (_started)
        {
            throw new InvalidOperationException("The device is started.");
        }
        // One by one, so that what was made is closed also if the next one cannot be made.
        foreach (var size in queueSizes)
        {
            var layout = QueueLayout.At(size, Memory.Allocate(QueueLayout.LengthOf(size)).Address);
            _queues = [.. _queues, new RemoteQueue(new DriverQueue(Memory, layout, (QueueFeatures)(ulong)Features), EventFd.Create(), EventFd.Create())];
        }
        _frontEnd.SetFeatures(Features);
        _started = true;
        TellMemory();
        for (var i = 0; i < _queues.Length; i++)
        {
            _frontEnd.SetVring(i, Memory.ToUserAddresses(_queues[i].Driver.Layout));
            _frontEnd.SetVringKick(i, _queues[i].Kick);
            _frontEnd.SetVringCall(i, _queues[i].Call);
        }
        for (var i = 0; i < _queues.Length; i++)
        {
            _frontEnd.SetVringEnable(i, true);
        }
    }

    /// <summary>
    /// Resets the device: when this returns it does not touch queues or buffers any more, and all memory is free again.
    /// Nobody may be working on a queue.
    /// </summary>
    /// <inheritdoc cref="Start"/>
    public void Stop()
    {
        if (!_started)
        {
            return;
        }

        _started = false;
        for (var i = 0; i < _queues.Length; i++)
        {
            _frontEnd.SetVringEnable(i, false);
        }

        for (var i = 0; i < _queues.Length; i++)
        {
            _frontEnd.GetVringBase(i);
        }

        CloseQueues();
        Memory.Reset();
    }

    /// <summary>Reads the configuration space from its first byte.</summary>
    /// <param name="destination">At most 256 bytes.</param>
    /// <exception cref="VhostUserException">The device has none, or the back-end answered something else or is gone.</exception>
    public void ReadConfiguration(Span<byte> destination) => _frontEnd.ReadConfiguration(destination);

    /// <summary>Maps a range of a shared memory region into this process. Any thread.</summary>
    /// <param name="region">The region's identifier.</param>
    /// <param name="offset">First byte in the region, in bytes.</param>
    /// <param name="length">Length in bytes.</param>
    /// <param name="access">What may be done with the bytes.</param>
    /// <returns>The mapping, which the caller owns and which outlives this object; null if the device has not put memory there.</returns>
    /// <exception cref="LinuxException">It cannot be mapped; so the device does not allow it to be written (<see cref="Errno.EACCES"/>).</exception>
    public Mapping? TryMapSharedMemory(int region, ulong offset, ulong length, MapAccess access = MapAccess.ReadWrite) =>
        _sharedMemory.TryMap(region, offset, length, access);

    /// <summary>Ends the connection: <see cref="Connection"/> hangs up, calls under way fail, kicks do nothing any more. Any thread, until <see cref="Dispose"/>.</summary>
    public void Disconnect()
    {
        _frontEnd.Disconnect();
        foreach (var queue in _queues)
        {
            queue.Mute();
        }
    }

    /// <summary>Closes the connection. Nobody may be working on a queue.</summary>
    public void Dispose()
    {
        _started = false;
        _frontEnd.Dispose();
        CloseQueues();
        _sharedMemory.Dispose();
        Memory.Dispose();
    }

    /// <summary>Tells the memory: at the start, and when a shared memory region has changed meanwhile.</summary>
    private void TellMemory()
    {
        if (!_started)
        {
            return;
        }

        try
        {
            // One after the other, so that the newest table is the last one.
            lock (_telling)
            {
                _frontEnd.SetMemoryTable([Memory.Region, .. _sharedMemory.Table]);
            }
        }
        catch (ObjectDisposedException)
        {
            // The device is being disposed of, or the back-end unmaps something: then a newer table follows.
        }
    }

    private void CloseQueues()
    {
        foreach (var queue in _queues)
        {
            queue.Close();
        }

        _queues = [];
    }
}
