// The guest driver that a test plays: config requests, pings, events.
using System.Runtime.InteropServices;
using TestDevice.Dependency;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>Speaks the protocol over the queues of a VM, as one thread of a guest.</summary>
internal sealed class TestDriver : IDisposable
{
    private readonly VmOptions _options;

    private TestDriver(string socketPath, VmOptions options)
    {
        _options = options;
        Vm = TestVm.Connect(socketPath, options);
    }

    public TestVm Vm { get; }

    /// <summary>A VM with a driver that is ready.</summary>
    public static TestDriver Boot(string socketPath, VmOptions? options = null)
    {
        var driver = new TestDriver(socketPath, options ?? new VmOptions());
        driver.Start();
        return driver;
    }

    /// <summary>Starts the device for a new driver; the device must be stopped.</summary>
    public void Start()
    {
        Vm.Start();
        if (_options.PostsEvents)
        {
            PostEvents();
        }
    }

    /// <summary>Sends a config request of any bytes and waits for the reply.</summary>
    public ConfigMessage Ask(ReadOnlySpan<byte> request)
    {
        Assert.True(Vm.ConfigReplies.TryPost(ConfigMessage.Size));
        Assert.True(Vm.ConfigRequests.TrySend(request));
        return TakeReply();
    }

    public ConfigMessage Ask(ConfigMessage request) => Ask(MemoryMarshal.AsBytes(new ReadOnlySpan<ConfigMessage>(in request)));

    /// <summary>Waits for the reply to the request under way.</summary>
    public ConfigMessage TakeReply()
    {
        Vm.ConfigRequests.Receive(out _, "the device takes a config request");
        Vm.ConfigReplies.Receive(out var reply, "a config reply");
        Assert.Equal(ConfigMessage.Size, reply.Length);
        return ConfigMessage.Read(reply);
    }

    public ConfigMessage Ask(ConfigOperation operation, ulong instance = 0, ulong shmId = 0, ulong shmSize = 0) =>
        Ask(new ConfigMessage { Operation = operation, InstanceHandle = instance, ShmId = shmId, ShmSize = shmSize });

    public ConfigMessage AskToCreate(uint device, uint version = 1, uint vendor = TestDevices.Vendor)
    {
        var request = new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = 1 };
        request.FirstDevice = new DeviceIdentity(vendor, device, version);
        return Ask(request);
    }

    public ulong Create(uint device = TestDevices.Test, uint version = 1)
    {
        var reply = AskToCreate(device, version);
        Assert.Equal(ConfigError.None, reply.Error);
        Assert.NotEqual(0u, reply.InstanceHandle);
        return reply.InstanceHandle;
    }

    public SharedObject Allocate(ulong instance, ulong size)
    {
        var reply = Ask(ConfigOperation.AllocateMemory, instance, shmSize: size);
        Assert.Equal(ConfigError.None, reply.Error);
        return new SharedObject(reply.ShmId, reply.ShmOffset, reply.ShmSize);
    }

    public void Do(ConfigOperation operation, ulong instance, ulong shmId = 0) =>
        Assert.Equal(ConfigError.None, Ask(operation, instance, shmId).Error);

    /// <summary>The bytes of an object, as the guest sees them.</summary>
    public Span<byte> Bytes(SharedObject shared) => Vm.Window!.GetSpan(shared.Offset, (int)shared.Size);

    /// <summary>Sends a ping; waits for room in the ring.</summary>
    public void Send(PingMessage ping)
    {
        TakeReturnedPings();
        while (!Vm.Pings.TrySend(MemoryMarshal.AsBytes(new ReadOnlySpan<PingMessage>(in ping))))
        {
            Vm.Pings.Receive(out _, "room in the ping ring");
        }
    }

    public void Send(ulong instance, TestOperation operation, ulong argument = 0, uint events = 1, SharedObject? shared = null) => Send(new PingMessage
    {
        InstanceHandle = instance,
        Metadata = TestDevices.Metadata(operation, argument),
        ShmId = shared?.Id ?? 0,
        ShmSize = shared?.Size ?? 0,
        Events = events,
    });

    /// <summary>Waits for the next event of whatever instance, and gives its buffer back.</summary>
    public EventMessage NextEvent()
    {
        Vm.Events.Receive(out var bytes, "an event");
        Assert.Equal(EventMessage.Size, bytes.Length);
        var message = MemoryMarshal.Read<EventMessage>(bytes);
        Assert.True(Vm.Events.TryPost(EventMessage.Size));
        return message;
    }

    /// <summary>Sends a ping and waits for its answer; nothing else may be under way.</summary>
    public uint Call(PingMessage ping)
    {
        Send(ping);
        var answer = NextEvent();
        Assert.Equal(ping.InstanceHandle, answer.InstanceHandle);
        return answer.Revents;
    }

    public uint Call(ulong instance, TestOperation operation, ulong argument = 0, SharedObject? shared = null)
    {
        Send(instance, operation, argument, 1, shared);
        var answer = NextEvent();
        Assert.Equal(instance, answer.InstanceHandle);
        return answer.Revents;
    }

    /// <summary>Offers all event buffers that there are.</summary>
    public void PostEvents()
    {
        while (Vm.Events.TryPost(EventMessage.Size))
        {
        }
    }

    public void TakeReturnedPings()
    {
        while (Vm.Pings.TryReceive(out _))
        {
        }
    }

    /// <summary>Waits until every ping is back.</summary>
    public void WaitForPings()
    {
        while (Vm.Pings.Driver.FreeDescriptors < Vm.Pings.Driver.Size)
        {
            Vm.Pings.Receive(out _, "a ping comes back");
        }
    }

    public void Dispose() => Vm.Dispose();
}

/// <summary>An object of shared memory.</summary>
/// <param name="Id">Its ID.</param>
/// <param name="Offset">Where it begins in region 0, in bytes.</param>
/// <param name="Size">Its size in bytes.</param>
internal sealed record SharedObject(ulong Id, ulong Offset, ulong Size);
