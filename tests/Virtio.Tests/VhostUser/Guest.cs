// What a front-end has: memory with queues in it, and descriptors for them.
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;

namespace Virtio.Tests.VhostUser;

/// <summary>A guest without a VM: 1 MiB of memory at 1 GiB, with the driver's side of each queue.</summary>
internal sealed class Guest : IDisposable
{
    internal const ulong Address = 1UL << 30, User = 0x7f00_0000_0000, Length = 1 << 20;
    internal const string MemoryName = "guest-memory";
    internal const ushort QueueSize = 16;

    private readonly FileDescriptor _file = MemFd.Create(MemoryName, Length);
    private readonly Mapping _mapping;

    internal Guest()
    {
        _mapping = Mapping.Map(_file, 0, Length);
        Memory = new ContiguousMemory(_mapping.GetMemory(0, (int)Length), Address);
        for (var i = 0; i < EchoDevice.Queues; i++)
        {
            Drivers[i] = new DriverQueue(Memory, QueueLayout.At(QueueSize, Address + QueueOffset(i)), (QueueFeatures)(ulong)Features);
            Kicks[i] = EventFd.Create();
            Calls[i] = EventFd.Create();
        }
    }

    internal static VirtioFeatures Features =>
        VirtioFeatures.Version1 | VirtioFeatures.ProtocolFeatures | VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors;

    internal GuestMemory Memory { get; }

    internal DriverQueue[] Drivers { get; } = new DriverQueue[EchoDevice.Queues];

    internal EventFd[] Kicks { get; } = new EventFd[EchoDevice.Queues];

    internal EventFd[] Calls { get; } = new EventFd[EchoDevice.Queues];

    internal FrontEndMemory Region => new(_file, 0, Address, User, Length);

    internal static QueueLayout UserLayout(int index) => QueueLayout.At(QueueSize, User + QueueOffset(index));

    private static ulong QueueOffset(int index) => (uint)index * 0x1000;

    /// <summary>Sends a text through a queue and returns what comes back.</summary>
    internal byte[] Echo(int index, byte[] text)
    {
        Assert(Memory.TryGetSpan(Address + 0x10000, 4096, out var sent));
        Assert(Memory.TryGetSpan(Address + 0x20000, 4096, out var received));
        text.CopyTo(sent);
        Assert(Drivers[index].TryAdd([new GuestBuffer(Address + 0x10000, (uint)text.Length)], [new GuestBuffer(Address + 0x20000, 4096)], 1));
        if (Drivers[index].MustKick())
        {
            Kicks[index].Signal();
        }

        uint written;
        while (!Drivers[index].TryReclaim(out _, out written))
        {
            if (!Drivers[index].EnableCalls())
            {
                Assert(Calls[index].Wait(Connection.Patience));
                Calls[index].TryConsume();
            }
        }
        return received[..(int)written].ToArray();
    }

    /// <summary>Sets up the rings as a driver does that starts.</summary>
    internal void Start(FrontEnd frontEnd, params ushort[] bases)
    {
        frontEnd.SetFeatures(Features);
        frontEnd.SetMemoryTable([Region]);
        for (var i = 0; i < EchoDevice.Queues; i++)
        {
            frontEnd.SetVring(i, UserLayout(i), bases.Length > i ? bases[i] : (ushort)0);
            frontEnd.SetVringKick(i, Kicks[i]);
            frontEnd.SetVringCall(i, Calls[i]);
        }
        for (var i = 0; i < EchoDevice.Queues; i++)
        {
            frontEnd.SetVringEnable(i, true);
        }
    }

    /// <summary>Stops the rings, and returns where they were.</summary>
    internal static ushort[] Stop(FrontEnd frontEnd)
    {
        for (var i = 0; i < EchoDevice.Queues; i++)
        {
            frontEnd.SetVringEnable(i, false);
        }

        return Enumerable.Range(0, EchoDevice.Queues).Select(frontEnd.GetVringBase).ToArray();
    }

    public void Dispose()
    {
        foreach (var signal in Kicks.Concat(Calls))
        {
            signal.Dispose();
        }

        _mapping.Dispose();
        _file.Dispose();
    }

    private static void Assert(bool condition) => Xunit.Assert.True(condition);
}
