// What a case has in hand while it runs.
using Virtio.Linux;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>Opens connections and closes what was opened. The connection that was opened last is the one that is judged.</summary>
internal sealed class Attack(DaemonProcess daemon, int seed) : IDisposable
{
    private readonly Stack<IDisposable> _owned = new();
    private readonly List<ulong> _gates = [];

    public DaemonProcess Daemon => daemon;

    /// <summary>The same in each run, unless the environment says otherwise.</summary>
    public Random Random { get; } = new(seed);

    /// <summary>The connection that is judged.</summary>
    public Connection? Main { get; private set; }

    /// <summary>What the case itself saw, where the connection cannot tell.</summary>
    public Verdict? Saw { get; set; }

    /// <summary>How many connections were made: each has its own share of the log.</summary>
    public int Connections { get; set; }

    /// <summary>Gates of the test device that are shut when the case ends, and opened before anything is counted.</summary>
    public IReadOnlyList<ulong> ShutGates => _gates;

    /// <summary>Whether cases that race run for long.</summary>
    public static bool IsLong => Environment.GetEnvironmentVariable("VIRTIO_USER_HOSTILE_LONG") is { Length: > 0 };

    /// <summary>Connects and says nothing.</summary>
    public Connection Connect()
    {
        Connections++;
        return Main = Own(new Connection(daemon.SocketPath));
    }

    /// <summary>Connects and negotiates as a sound front-end does.</summary>
    public Connection Negotiate(ulong features = Wire.Sound, ulong without = 0) => Connect().Negotiate(features, without);

    /// <summary>A guest of raw rings whose driver has started the device.</summary>
    public RawGuest Boot(ushort size = 64, ulong features = Wire.Sound, bool arena = true, bool split = false, ushort first = 0) =>
        Prepare(size, features, arena, split, first).Start();

    /// <summary>The same before its rings are told.</summary>
    public RawGuest Prepare(ushort size = 64, ulong features = Wire.Sound, bool arena = true, bool split = false, ushort first = 0) =>
        Own(new RawGuest(Negotiate(features, arena ? 0 : Wire.SharedMemory), size, features, arena, split, first));

    /// <summary>A guest that does everything right.</summary>
    public TestDriver Honest(VmOptions? options = null)
    {
        Connections++;
        return Own(TestDriver.Boot(daemon.SocketPath, options));
    }

    /// <summary>A gate for a callback to hang at.</summary>
    public ulong ShutGate()
    {
        // The device has gates for as long as the daemon lives.
        var gate = Gates.New();
        _gates.Add(gate);
        return gate;
    }

    /// <summary>A gate that the device itself hangs at.</summary>
    public void Shut(ulong gate) => _gates.Add(gate);

    public T Own<T>(T owned)
        where T : IDisposable
    {
        _owned.Push(owned);
        return owned;
    }

    public FileDescriptor SealedMemory(ulong size = 1 << 20, Seals seals = Seals.Grow | Seals.Shrink) => Own(MemFd.Create("hostile-memory", size, seals));

    public EventFd EventFd() => Own(Virtio.Linux.EventFd.Create());

    public void Dispose()
    {
        while (_owned.TryPop(out var owned))
        {
            owned.Dispose();
        }
    }
}
