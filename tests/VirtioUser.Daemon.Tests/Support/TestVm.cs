// A hypervisor with a guest, as far as a vhost-user device sees them.
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>One connection to the daemon: negotiated like QEMU does it, with guest memory and queues of its own.</summary>
internal sealed class TestVm : IDisposable
{
    private const VirtioFeatures NeededFeatures = VirtioFeatures.Version1 | VirtioFeatures.ProtocolFeatures;

    private readonly VmOptions _options;
    private GuestQueue[] _queues = [];

    private TestVm(string socketPath, VmOptions options)
    {
        _options = options;
        FrontEnd = FrontEnd.Connect(socketPath);
        Ram = new GuestRam(options.Sealed);
        Assert.Equal(NeededFeatures, FrontEnd.GetFeatures() & NeededFeatures);
        var offered = FrontEnd.GetProtocolFeatures();
        FrontEnd.SetProtocolFeatures(options.SharedMemory ? offered : offered & ~ProtocolFeatures.SharedMemory);
        Assert.Equal((ulong)Limits.QueueCount, FrontEnd.GetQueueCount());
        FrontEnd.SetOwner();
        if (options.SharedMemory)
        {
            ArenaLength = FrontEnd.GetSharedMemorySizes()[Limits.ArenaRegionId];
            Window = new ArenaWindow(ArenaLength, options, TellMemory);
            FrontEnd.OpenRequestChannel(Window);
        }
    }

    public FrontEnd FrontEnd { get; }

    public GuestRam Ram { get; }

    public ArenaWindow? Window { get; }

    public ulong ArenaLength { get; }

    public GuestQueue ConfigRequests => _queues[Limits.ConfigTxQueue];

    public GuestQueue ConfigReplies => _queues[Limits.ConfigRxQueue];

    public GuestQueue Pings => _queues[Limits.PingQueue];

    public GuestQueue Events => _queues[Limits.EventQueue];

    public GuestQueue Queue(int index) => _queues[index];

    /// <summary>Connects and negotiates; the driver has not started the device.</summary>
    public static TestVm Connect(string socketPath, VmOptions? options = null) => new(socketPath, options ?? new VmOptions());

    /// <summary>A driver that begins: empty queues.</summary>
    public void Start()
    {
        DisposeQueues();
        Ram.Reset();
        _queues = [.. Enumerable.Range(0, Limits.QueueCount).Select(_ => new GuestQueue(Ram, _options.QueueSize, _options.Features))];
        FrontEnd.SetFeatures(NeededFeatures | (VirtioFeatures)(ulong)_options.Features);
        TellMemory();
        Run(new ushort[Limits.QueueCount]);
    }

    /// <summary>The VM stands still.</summary>
    /// <returns>Where each queue would go on.</returns>
    public ushort[] Stop()
    {
        for (var i = 0; i < _queues.Length; i++)
        {
            FrontEnd.SetVringEnable(i, false);
        }

        return [.. Enumerable.Range(0, _queues.Length).Select(FrontEnd.GetVringBase)];
    }

    /// <summary>The VM goes on.</summary>
    public void Continue(ushort[] bases)
    {
        FrontEnd.SetFeatures(NeededFeatures | (VirtioFeatures)(ulong)_options.Features);
        TellMemory();
        Run(bases);
    }

    /// <summary>Tells the guest's memory, the arena with it if it is mapped and this hypervisor lists such.</summary>
    public void TellMemory()
    {
        if (Window?.Region is { } arena)
        {
            FrontEnd.SetMemoryTable([Ram.Region, arena]);
        }
        else
        {
            FrontEnd.SetMemoryTable([Ram.Region]);
        }
    }

    public void Dispose()
    {
        FrontEnd.Dispose();
        DisposeQueues();
        Window?.Dispose();
        Ram.Dispose();
    }

    private void Run(ushort[] bases)
    {
        for (var i = 0; i < _queues.Length; i++)
        {
            FrontEnd.SetVring(i, _queues[i].UserLayout, bases[i]);
            FrontEnd.SetVringKick(i, _queues[i].Kick);
            FrontEnd.SetVringCall(i, _queues[i].Call);
        }

        for (var i = 0; i < _queues.Length; i++)
        {
            FrontEnd.SetVringEnable(i, true);
        }
    }

    private void DisposeQueues()
    {
        foreach (var queue in _queues)
        {
            queue.Dispose();
        }
    }
}
