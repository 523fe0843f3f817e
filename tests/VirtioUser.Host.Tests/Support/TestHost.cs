// A whole device model with a test at both ends.
using System.Collections.Concurrent;
using VirtioUser.Devices;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Memory;
using VirtioUser.Host.Workers;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Support;

/// <summary>The guest's side of a device model, over queues in this process. Disposing checks that no queue was misused.</summary>
internal sealed class TestHost : IDisposable
{
    private readonly ConcurrentQueue<string> _faults = new();
    private readonly GuestLog _guestLog;
    private readonly WorkerPool _workers;

    public TestHost(Device device, HostOptions? options = null, bool attach = true, int ringSize = 1024, int eventBuffers = int.MaxValue, IArenaMemory? arena = null)
        : this([device], options, attach, ringSize, eventBuffers, arena)
    {
    }

    public TestHost(IEnumerable<Device> devices, HostOptions? options = null, bool attach = true, int ringSize = 1024, int eventBuffers = int.MaxValue, IArenaMemory? arena = null)
    {
        Arena = arena ?? new HeapArena(1 << 20);
        Pings = new FakePingQueue(Waiter, _faults, ringSize);
        Events = new FakeEventQueue(Waiter, _faults, eventBuffers);
        var catalog = new DeviceCatalog(devices.Select(device => new CatalogEntry(device, "test")));
        _guestLog = new GuestLog(Log);
        _workers = new WorkerPool(Waiter, _guestLog.For(Log));
        Model = new DeviceModel(catalog, Arena, _workers, options ?? new HostOptions(), new HostCounters(), _guestLog, Log);
        Waiter.Work = Model;
        _workers.Start();
        if (attach)
        {
            Attach();
        }
    }

    public TestLog Log { get; } = new();

    public FakeWaiter Waiter { get; } = new();

    public IArenaMemory Arena { get; }

    public DeviceModel Model { get; }

    public FakePingQueue Pings { get; private set; }

    public FakeEventQueue Events { get; private set; }

    public long this[Counter counter] => Model.Counters[counter];

    public void Attach()
    {
        Pings.Reopen();
        Events.Reopen();
        Model.AttachEvents(Events);
        Model.AttachPings(Pings);
    }

    public void Detach()
    {
        Model.DetachPings();
        Pings.Close();
        Model.DetachEvents();
        Events.Close();
    }

    /// <summary>The driver goes without a word and another one comes, with rings of its own.</summary>
    /// <returns>Complete when the instances of the old driver have ended.</returns>
    public Task ReplaceDriver(int eventBuffers = int.MaxValue)
    {
        Detach();
        var ended = Model.EndDriverAsync();
        Model.DiscardFreeMemory();
        Pings = new FakePingQueue(Waiter, _faults, Pings.Size);
        Events = new FakeEventQueue(Waiter, _faults, eventBuffers);
        Attach();
        return ended;
    }

    /// <summary>Waits until no thread does anything, and none is about to.</summary>
    public void WaitUntilQuiet() =>
        Assert.True(SpinWait.SpinUntil(() => Waiter.IsQuiet(_workers.Threads), Patience.Limit), "The workers find no end.");

    /// <summary>Waits until every ping is finished and the guest has all entries.</summary>
    public void WaitForPings()
    {
        Assert.True(SpinWait.SpinUntil(() => Model.InUse.Pings == 0 && Pings.IsEmpty, Patience.Limit), $"{Model.InUse.Pings} pings are not finished.");
        Pings.WaitForAll();
    }

    /// <summary>Waits until a line with this text was logged.</summary>
    public void WaitForLine(string text) =>
        Assert.True(SpinWait.SpinUntil(() => Log.Lines.Any(line => line.Contains(text, StringComparison.Ordinal)), Patience.Limit), $"Nobody said: {text}");

    /// <summary>Waits until something was counted as often as that.</summary>
    public void WaitForCount(Counter counter, long count) =>
        Assert.True(SpinWait.SpinUntil(() => this[counter] >= count, Patience.Limit), $"{counter} is {this[counter]}, not {count}.");

    /// <summary>Has a worker do something.</summary>
    public void Post(IWork work) => _workers.Post(work);

    public ConfigMessage Config(in ConfigMessage request)
    {
        var bytes = new byte[ConfigMessage.Size];
        request.Write(bytes);
        return Model.HandleConfig(bytes);
    }

    public ConfigMessage Config(ConfigOperation operation, ulong handle = 0, ulong shmId = 0, ulong size = 0) =>
        Config(new ConfigMessage { Operation = operation, InstanceHandle = handle, ShmId = shmId, ShmSize = size });

    public ConfigMessage TryOpen(DeviceIdentity identity) =>
        Config(new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = 1, FirstDevice = identity });

    /// <summary>Makes an instance of the default device, or fails the test.</summary>
    public ulong Open(DeviceIdentity? identity = null)
    {
        var reply = TryOpen(identity ?? ScriptedDevice.Default);
        Assert.Equal(ConfigError.None, reply.Error);
        Assert.NotEqual(0u, reply.InstanceHandle);
        return reply.InstanceHandle;
    }

    public void Close(ulong handle) => Assert.Equal(ConfigError.None, Config(ConfigOperation.DestroyInstance, handle).Error);

    /// <summary>Makes an object, or fails the test.</summary>
    public ConfigMessage Allocate(ulong handle, ulong size = 4096)
    {
        var reply = Config(ConfigOperation.AllocateMemory, handle, size: size);
        Assert.Equal(ConfigError.None, reply.Error);
        return reply;
    }

    public void Ping(ulong handle, ulong metadata = 0, uint events = 0, ulong shmId = 0, ulong offset = 0, ulong size = 0) => Pings.Put(new PingMessage
    {
        InstanceHandle = handle,
        Metadata = metadata,
        Events = events,
        ShmId = shmId,
        ShmOffset = offset,
        ShmSize = size,
    });

    /// <summary>Waits until as much is in use: threads give things back a moment after the guest sees the last effect.</summary>
    public void WaitForUse(int instances, int objects, int references, int pings)
    {
        SpinWait.SpinUntil(() => Model.InUse == (instances, objects, references, pings), Patience.Limit);
        Assert.Equal((instances, objects, references, pings), Model.InUse);
    }

    public void Dispose()
    {
        Model.DetachPings();
        Pings.Close();
        Model.DetachEvents();
        Events.Close();
        _workers.Dispose();
        _guestLog.Dispose();
        Assert.Empty(_faults);
    }
}
