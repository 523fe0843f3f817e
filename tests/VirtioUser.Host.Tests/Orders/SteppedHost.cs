// A device model whose threads are actors.
using VirtioUser.Devices;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Host.Workers;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>What a scenario works on; made anew for each order.</summary>
internal sealed class SteppedHost
{
    private static readonly TestLog Log = new();
    private static readonly GuestLog GuestLog = new(Log);

    private readonly Order _order;
    private readonly bool[] _isIdle;

    public SteppedHost(Order order, Device device, int workers = 1, int eventBuffers = int.MaxValue, HostOptions? options = null)
    {
        _order = order;
        Pings = new SteppedPings(Waiter);
        Events = new SteppedEvents(Waiter, eventBuffers);
        var pool = new WorkerPool(Waiter, Log);
        Waiter.Pool = pool;
        var catalog = new DeviceCatalog([new CatalogEntry(device, "test")]);
        Model = new DeviceModel(
            catalog, new HeapArena(4096), pool, options ?? new HostOptions { DestroyTimeout = TimeSpan.Zero }, new HostCounters(), GuestLog, Log);
        Waiter.Work = Model;
        _isIdle = new bool[workers];
        for (var i = 0; i < workers; i++)
        {
            var number = i;
            order.Add($"worker{i}", () => Serve(number), serves: true);
        }
    }

    public SteppedWaiter Waiter { get; } = new();

    public SteppedPings Pings { get; private set; }

    public SteppedEvents Events { get; }

    public DeviceModel Model { get; }

    /// <summary>Begins to use both queues, and does what is to be done before the actors begin.</summary>
    public void Attach()
    {
        Model.AttachEvents(Events);
        Model.AttachPings(Pings);
        Settle();
    }

    /// <summary>Does all that is to be done; not during the run.</summary>
    public void Settle()
    {
        while (Waiter.HasWork)
        {
            Waiter.Take().Run();
        }
    }

    /// <summary>Takes the ping ring away, for good or until another one comes.</summary>
    public void DetachPings()
    {
        Model.DetachPings();
        Pings.IsClosed = true;
    }

    /// <summary>The same ring runs again.</summary>
    public void ReattachPings()
    {
        Pings.Reopen();
        Model.AttachPings(Pings);
    }

    /// <summary>The driver goes, and another one comes with a ring of its own.</summary>
    public void ReplaceDriver()
    {
        DetachPings();
        Model.DetachEvents();
        Events.IsClosed = true;
        _ = Model.EndDriverAsync();
        Pings = new SteppedPings(Waiter);
        Model.AttachPings(Pings);
    }

    public ulong Open()
    {
        var reply = Config(new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = 1, FirstDevice = ScriptedDevice.Default });
        Assert.Equal(ConfigError.None, reply.Error);
        return reply.InstanceHandle;
    }

    public void Close(ulong handle) =>
        Assert.Equal(ConfigError.None, Config(new ConfigMessage { Operation = ConfigOperation.DestroyInstance, InstanceHandle = handle }).Error);

    public void Ping(ulong handle, uint metadata) => Pings.Put(new PingMessage { InstanceHandle = handle, Metadata = metadata, Events = 1 });

    /// <summary>Adds a guest, who takes no lock of the host.</summary>
    public void AddGuest(Action body) => _order.Add("guest", body, takesLocks: false);

    /// <summary>The outcome: what the guest got of an instance, in order, all pings are over and all entries are back.</summary>
    public void Check(ulong handle, params uint[] revents)
    {
        Assert.Equal(revents, Events.Put.Where(message => message.InstanceHandle == handle).Select(message => message.Revents));
        CheckPings();
    }

    /// <summary>The outcome: all pings are over and all entries are back.</summary>
    public void CheckPings() => Assert.Equal((0, 0, 0), (Pings.Missing, Model.InUse.Pings, Model.Workers));

    private ConfigMessage Config(in ConfigMessage request)
    {
        var bytes = new byte[ConfigMessage.Size];
        request.Write(bytes);
        return Model.HandleConfig(bytes);
    }

    private void Serve(int number)
    {
        while (true)
        {
            // Workers are alike: of several that wait only the first may come.
            _isIdle[number] = true;
            Order.StopUntil(() => Waiter.HasWork && Array.IndexOf(_isIdle, true) == number);
            _isIdle[number] = false;
            Waiter.Take().Run();
        }
    }
}
