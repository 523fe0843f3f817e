// A connection to a daemon, and the instances that live on it.
using System.Collections.Concurrent;
using Virtio.Linux;
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

/// <summary>
/// Does in this process what the guest driver does in a guest's kernel: starts the device, works its queues, keeps the
/// account of its instances. Thread-safe.
/// </summary>
internal sealed class HostConnection : IDisposable
{
    private const ushort MessageQueueSize = 256;
    private const int MaxEarlyEvents = 128;
    private const int MaxEnumerations = 8;

    // How long a closed instance waits for its last pings before it is destroyed.
    private const int DrainMilliseconds = 5000;
    private const int GraceMilliseconds = 1000;

    private readonly ConcurrentDictionary<ulong, DirectChannel> _instances = new();
    private readonly List<EventMessage> _early = [];
    private readonly ConfigExchange _config;
    private DirectChannel? _lastDelivered;
    private int _changes;
    private int _creating;
    private bool _earlyLost;
    private volatile bool _gone;

    private HostConnection(RemoteDevice device, TimeSpan pollTime)
    {
        Device = device;
        device.ConfigurationChanged += () => Interlocked.Increment(ref _changes);
        device.Start(ConfigExchange.MaxInFlight, ConfigExchange.MaxInFlight, MessageQueueSize, MessageQueueSize);
        Pings = new PingRing(device.Queues[Limits.PingQueue], device.Memory);
        Pump = new EventPump(this, new EventRing(device.Queues[Limits.EventQueue], device.Memory), pollTime);
        _config = new ConfigExchange(device);
    }

    /// <summary>The device, started.</summary>
    public RemoteDevice Device { get; }

    /// <summary>The ping queue.</summary>
    public PingRing Pings { get; }

    /// <summary>The event queue, and how to wait for it.</summary>
    public EventPump Pump { get; }

    /// <summary>The length of the arena, in bytes.</summary>
    public ulong ArenaLength => Device.SharedMemorySizes[Limits.ArenaRegionId];

    /// <summary>Whether the daemon is gone, or has broken a queue.</summary>
    public bool IsGone => _gone;

    /// <summary>Connects to a daemon and starts its device.</summary>
    /// <param name="socketPath">Where it listens.</param>
    /// <param name="pollTime">How long a waiting thread polls at most before it sleeps.</param>
    /// <param name="patience">How long the daemon may take to answer each message; one that serves somebody else does not.</param>
    /// <exception cref="VirtioUserException">
    /// There is no daemon, or it does not answer (<see cref="Errno.ETIMEDOUT"/>), or it offers something else
    /// (<see cref="Errno.EPROTO"/>).
    /// </exception>
    public static HostConnection Connect(string socketPath, TimeSpan pollTime, TimeSpan patience)
    {
        RemoteDevice? device = null;
        try
        {
            device = RemoteDevice.Connect(socketPath, new RemoteDeviceOptions { Patience = patience });
            if (device.QueueCount is not >= Limits.QueueCount || device.SharedMemorySizes is [] or [0, ..])
            {
                throw new VhostUserException("This is not a virtio-user device: it has other queues, or no shared memory region 0.");
            }

            return new HostConnection(device, pollTime);
        }
        catch (LinuxException e)
        {
            device?.Dispose();
            throw new VirtioUserException(socketPath, "connect", e.Errno, e);
        }
        catch (ArgumentException e)
        {
            throw new VirtioUserException(socketPath, "connect", Errno.EINVAL, e.Message, e);
        }
        catch (VhostUserException e)
        {
            device?.Dispose();
            var errno = e.InnerException is LinuxException { Errno: Errno.EAGAIN } ? Errno.ETIMEDOUT : Errno.EPROTO;
            throw new VirtioUserException(socketPath, "connect", errno, e.Message, e);
        }
    }

    /// <summary>Looks whether the daemon is still there, also when nobody waits who would notice.</summary>
    public bool CheckIsGone()
    {
        if (!_gone && Device.IsGone)
        {
            NoteGone();
        }

        return _gone;
    }

    /// <summary>Asks the host for its devices. Begins anew when these change meanwhile, a bounded number of times.</summary>
    /// <param name="socketPath">For the exception.</param>
    public List<DeviceIdentity> Enumerate(string socketPath)
    {
        for (var attempt = 0; attempt < MaxEnumerations; attempt++)
        {
            var changes = Volatile.Read(ref _changes);
            if (TryEnumerate(socketPath) is { } all && changes == Volatile.Read(ref _changes))
            {
                return all;
            }
        }

        throw new VirtioUserException(socketPath, "list", Errno.EAGAIN, $"the host's devices have changed {MaxEnumerations} times meanwhile");
    }

    /// <summary>Has an instance made.</summary>
    public DirectChannel Open(DeviceIdentity identity)
    {
        var request = new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = 1, FirstDevice = identity };
        using (Gate.Enter(_early))
        {
            _creating++;
        }

        DirectChannel created;
        try
        {
            var reply = Ask(identity.ToString(), "open", in request);
            if (reply.InstanceHandle == 0 || reply.FirstDevice != identity)
            {
                throw Nonsense(identity.ToString(), "open");
            }

            created = new DirectChannel(this, identity, reply.InstanceHandle);
        }
        catch
        {
            TryAdopt(null);
            throw;
        }

        return TryAdopt(created) ? created : throw Nonsense(identity.ToString(), "open");
    }

    /// <summary>Makes a config exchange.</summary>
    /// <param name="subject">For the exception: who asks, or is asked.</param>
    /// <param name="operation">For the exception.</param>
    /// <param name="request">The request.</param>
    /// <exception cref="VirtioUserException">The host refused, is gone, or answered nonsense (<see cref="Errno.EPROTO"/>).</exception>
    public ConfigMessage Ask(string subject, string operation, in ConfigMessage request)
    {
        switch (_config.Ask(in request, out var reply))
        {
            case ExchangeOutcome.Lost:
                NoteGone();
                throw new VirtioUserException(subject, operation, Errno.ENODEV);
            case ExchangeOutcome.Nonsense:
                throw Nonsense(subject, operation);
            default:
                return reply.Error == ConfigError.None ? reply : throw Refused(subject, operation, in reply);
        }
    }

    /// <summary>Makes the exception for a reply that makes no sense.</summary>
    public static VirtioUserException Nonsense(string subject, string operation) =>
        new(subject, operation, Errno.EPROTO, "the host's reply makes no sense");

    /// <returns>Null if the number of devices changes on the way.</returns>
    private List<DeviceIdentity>? TryEnumerate(string socketPath)
    {
        var all = new List<DeviceIdentity>();
        ulong? total = null;
        do
        {
            var reply = Ask(socketPath, "list", new ConfigMessage { Operation = ConfigOperation.EnumerateDevices, DeviceCount = (uint)all.Count });
            if (total is not null && reply.ShmId != total)
            {
                return null;
            }

            total = reply.ShmId;
            var left = total.Value - (ulong)all.Count;
            if (total > Limits.MaxDevices || reply.DeviceCount > Math.Min(left, Limits.DevicesInMessage) || (reply.DeviceCount == 0 && left > 0))
            {
                throw Nonsense(socketPath, "list");
            }

            for (var i = 0; i < (int)reply.DeviceCount; i++)
            {
                all.Add(new DeviceIdentity(reply.Vendors[i], reply.Devices[i], reply.Versions[i]));
            }
        }
        while ((ulong)all.Count < total);
        return all;
    }

    private static VirtioUserException Refused(string subject, string operation, in ConfigMessage reply)
    {
        var (errno, reason) = (ErrnoOf(reply.Error), reply.Reason.ToString());
        return reason.Length == 0
            ? new VirtioUserException(subject, operation, errno)
            : new VirtioUserException(subject, operation, errno, $"{VirtioUserException.TextOf(errno)}: {reason}");
    }

    /// <summary>Maps a range of the arena; null if the daemon has not shown it.</summary>
    public Mapping? TryMap(ulong offset, ulong length) => Device.TryMapSharedMemory(Limits.ArenaRegionId, offset, length);

    /// <summary>Brings an event to its instance. Called by the leader.</summary>
    public void Deliver(in EventMessage message)
    {
        var last = _lastDelivered;
        if (last is not null && last.Handle == message.InstanceHandle)
        {
            last.Deliver(message.Revents);
        }
        else if (_instances.TryGetValue(message.InstanceHandle, out var instance))
        {
            _lastDelivered = instance;
            if (!_instances.ContainsKey(message.InstanceHandle))
            {
                _lastDelivered = null; // it was closed meanwhile
            }

            instance.Deliver(message.Revents);
        }
        else
        {
            DeliverEarly(in message);
        }
    }

    /// <summary>Ends an instance. Does not wait: it is destroyed when its last pings are through.</summary>
    public void Close(DirectChannel channel)
    {
        // A thread that is in the middle of a ping just now must not send it to a handle that is gone.
        Pings.Retire(channel);
        if (channel.IsDrained)
        {
            Destroy(channel);
            return;
        }

        try
        {
            new Thread(() => DrainAndDestroy(channel)) { IsBackground = true, Name = "virtio-user close" }.Start();
        }
        catch (OutOfMemoryException)
        {
            DrainAndDestroy(channel); // no thread is left: this one waits, for a bounded time
        }
    }

    /// <summary>Waits until the pings that were sent are through, each instance's for as long as a closed one's would be.</summary>
    public void Drain()
    {
        if (_instances.IsEmpty)
        {
            return;
        }

        // Not on this thread: a daemon that blocks kicks could keep it for good. Dispose gets it out then.
        var drain = new Thread(() =>
        {
            var end = Environment.TickCount64 + DrainMilliseconds;
            foreach (var each in _instances.Values)
            {
                Pump.WaitFor(each, new DrainedWish(each), (int)Math.Max(0, end - Environment.TickCount64));
            }
        })
        { IsBackground = true, Name = "virtio-user drain" };
        try
        {
            drain.Start();
        }
        catch (OutOfMemoryException)
        {
            return; // no thread is left, and what was sent may be lost
        }

        drain.Join(DrainMilliseconds + GraceMilliseconds);
    }

    /// <summary>The daemon is gone, or is as good as gone: everything fails from now on. Any thread.</summary>
    public void NoteGone()
    {
        if (_gone)
        {
            return;
        }

        _gone = true;
        foreach (var each in _instances.Values)
        {
            each.Notify();
        }

        try
        {
            Device.Disconnect();
        }
        catch (ObjectDisposedException)
        {
            // Who disposes of the connection has ended it already.
        }
    }

    /// <summary>Ends the connection; instances that are left fail. Once only.</summary>
    public void Dispose()
    {
        NoteGone();
        Device.Disconnect(); // another thread may have noted it, and not come to this yet
        _config.Dispose();
        Pings.Close();
        Pump.Dispose();
        Device.Dispose();
    }

    private static Errno ErrnoOf(ConfigError error) => error switch
    {
        ConfigError.DeviceInitializationFailed => Errno.ENXIO,
        ConfigError.InstanceCreationFailed => Errno.EIO,
        ConfigError.AllocationFailed => Errno.ENOMEM,
        ConfigError.ExportFailed or ConfigError.ImportFailed or ConfigError.FreeFailed or ConfigError.InstanceDestructionFailed => Errno.ENOENT,
        ConfigError.BadRequest => Errno.EINVAL,
        _ => Errno.EPROTO,
    };

    /// <summary>An event may come before the reply that tells its instance's handle.</summary>
    private void DeliverEarly(in EventMessage message)
    {
        if (message.InstanceHandle == 0)
        {
            return;
        }

        using (Gate.Enter(_early))
        {
            if (_instances.TryGetValue(message.InstanceHandle, out var instance))
            {
                instance.Deliver(message.Revents);
            }
            else if (_creating > 0 && _early.Count < MaxEarlyEvents)
            {
                _early.Add(message);
            }
            else
            {
                _earlyLost |= _creating > 0;
            }
        }
    }

    /// <summary>The end of an attempt to open.</summary>
    /// <param name="created">The instance, if there is one.</param>
    /// <returns>False if the host gave it the handle of another one.</returns>
    private bool TryAdopt(DirectChannel? created)
    {
        var adopted = true;
        using (Gate.Enter(_early))
        {
            _creating--;
            if (created is not null)
            {
                if (_earlyLost)
                {
                    created.Deliver(Revents.NoticeEventsLost);
                }

                foreach (var each in _early.Where(each => each.InstanceHandle == created.Handle))
                {
                    created.Deliver(each.Revents);
                }

                _early.RemoveAll(each => each.InstanceHandle == created.Handle);
                adopted = _instances.TryAdd(created.Handle, created);
            }

            if (_creating == 0)
            {
                _early.Clear();
                _earlyLost = false;
            }
        }

        // Whoever noted the end of the connection before the instance was listed has not told it.
        if (_gone)
        {
            created?.Notify();
        }

        return adopted;
    }

    private void DrainAndDestroy(DirectChannel channel)
    {
        Pump.WaitFor(channel, new DrainedWish(channel), DrainMilliseconds);
        Destroy(channel);
    }

    private void Destroy(DirectChannel channel)
    {
        _instances.TryRemove(channel.Handle, out _);
        if (ReferenceEquals(Interlocked.CompareExchange(ref _lastDelivered, null, channel), channel))
        {
            _lastDelivered = null;
        }

        _config.Post(new ConfigMessage { Operation = ConfigOperation.DestroyInstance, InstanceHandle = channel.Handle });
    }
}
