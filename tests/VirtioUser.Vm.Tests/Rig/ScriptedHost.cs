// A host that says what a test makes it say: wrong things too, or nothing.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Protocol;

namespace VirtioUser.Vm.Tests;

/// <summary>A virtio-user device in this process, whose config replies and events are the test's own.</summary>
public sealed class ScriptedHost : BackEndDevice, IDisposable
{
    /// <summary>The length of the shared memory region, in bytes.</summary>
    public const ulong ArenaLength = 1UL << 30;

    private const ulong WakeToken = Limits.QueueCount;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vu-");
    private readonly FileDescriptor _arena = MemFd.Create("scripted-arena", ArenaLength);
    private readonly EventFd _wake = EventFd.Create();
    private readonly EventFd _cancel = EventFd.Create();
    private readonly EventPoll _poll = new();
    private readonly StartedQueue?[] _queues = new StartedQueue?[Limits.QueueCount];
    private readonly bool[] _isBlocked = new bool[Limits.QueueCount];
    private readonly Lock _gate = new(); // held by whoever touches a queue
    private readonly UnixSocket _listener;
    private readonly Thread _connection, _worker;
    private BackEnd? _backEnd;
    private readonly Queue<byte[]> _replies = new();
    private volatile bool _stopping;

    /// <summary>Listens; serves one VM.</summary>
    /// <param name="answer">
    /// Makes the reply to a request: normally 512 bytes, with its tag. Null is no reply until <see cref="Reply"/> is called. On a thread
    /// of the host's own, one request at a time.
    /// </param>
    public ScriptedHost(Func<ConfigMessage, byte[]?> answer)
    {
        Answer = answer;
        _listener = UnixSocket.Listen(SocketPath);
        _poll.Add(_wake.Descriptor, WakeToken);
        _connection = new Thread(Serve) { IsBackground = true, Name = "scripted host: connection" };
        _worker = new Thread(Work) { IsBackground = true, Name = "scripted host: queues" };
        _connection.Start();
        _worker.Start();
    }

    /// <summary>The socket for QEMU.</summary>
    public string SocketPath => Path.Combine(_folder.FullName, "socket");

    /// <summary>See the constructor. May be replaced at any time.</summary>
    public Func<ConfigMessage, byte[]?> Answer { get; set; }

    /// <inheritdoc/>
    public override int QueueCount => Limits.QueueCount;

    /// <inheritdoc/>
    public override int ConfigurationLength => 256;

    /// <inheritdoc/>
    public override IReadOnlyList<SharedMemoryRegion?> SharedMemory => [new SharedMemoryRegion(_arena, ArenaLength)];

    /// <summary>Gives the reply to a request that got none.</summary>
    public void Reply(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            _replies.Enqueue(bytes.ToArray());
        }

        _wake.Signal();
    }

    /// <summary>Puts bytes on the event queue, at once.</summary>
    /// <exception cref="InvalidOperationException">The driver has no buffer there.</exception>
    public void SendEvent(ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            if (!TryPut(_queues[Limits.EventQueue], bytes))
            {
                throw new InvalidOperationException("The driver has posted no buffer for an event.");
            }
        }
    }

    /// <summary>Puts an event on the event queue, at once.</summary>
    /// <exception cref="InvalidOperationException">The driver has no buffer there.</exception>
    public void SendEvent(EventMessage message) => SendEvent(MemoryMarshal.AsBytes(new ReadOnlySpan<EventMessage>(in message)));

    /// <summary>Does what a test wants with a queue that the driver has started, then calls the driver.</summary>
    public void DoOnQueue(int index, Action<DeviceQueue> action)
    {
        ArgumentNullException.ThrowIfNull(action);
        lock (_gate)
        {
            var queue = _queues[index] ?? throw new InvalidOperationException($"Queue {index} is not started.");
            action(queue.Queue);
            CallIfWanted(queue);
        }
    }

    /// <summary>Makes every kick of a started queue wait for good: the file behind the descriptor is the host's too.</summary>
    public void BlockKicks(int index)
    {
        lock (_gate)
        {
            var kick = _queues[index]!.Kick.Descriptor;
            _poll.Remove(kick);
            kick.SetNonBlocking(false);
            _queues[index]!.Kick.TryConsume();
            using FileStream file = new(new SafeFileHandle(kick.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0);
            file.Write(BitConverter.GetBytes(ulong.MaxValue - 1));
            _isBlocked[index] = true;
        }
    }

    /// <summary>Tells the driver that the configuration has changed.</summary>
    public void ChangeConfiguration() => Assert.True(_backEnd!.NotifyConfigurationChanged());

    /// <inheritdoc/>
    public override void QueueStarted(StartedQueue queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        lock (_gate)
        {
            _queues[queue.Index] = queue;
            _poll.Add(queue.Kick.Descriptor, (ulong)queue.Index);
        }

        _wake.Signal();
    }

    /// <inheritdoc/>
    public override void QueueStopping(int index)
    {
        lock (_gate)
        {
            if (!_isBlocked[index])
            {
                _poll.Remove(_queues[index]!.Kick.Descriptor);
            }

            _queues[index] = null;
        }
    }

    /// <summary>The VM must have ended.</summary>
    public void Dispose()
    {
        _stopping = true;
        _cancel.Signal();
        _wake.Signal();
        _connection.Join();
        _worker.Join();
        _listener.Dispose();
        _poll.Dispose();
        _wake.Dispose();
        _cancel.Dispose();
        _arena.Dispose();
        _folder.Delete(recursive: true);
    }

    private void Serve()
    {
        if (_listener.Accept(_cancel) is { } socket)
        {
            using (_backEnd = new BackEnd(socket, this))
            {
                try
                {
                    _backEnd.Run();
                }
                catch (LinuxException)
                {
                    // A QEMU that is stopped breaks off its connection; the tests see by themselves what that did.
                }
            }
        }
    }

    private void Work()
    {
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[Limits.QueueCount + 1];
        while (!_stopping)
        {
            _wake.TryConsume();
            while (TryAnswer() || TryDrain(Limits.PingQueue))
            {
            }

            var count = _poll.Wait(ready);
            lock (_gate)
            {
                foreach (var each in ready[..count])
                {
                    if (each.Token != WakeToken)
                    {
                        _queues[each.Token]?.Kick.TryConsume();
                    }
                }
            }
        }
    }

    // Sends the reply that is due, if any, then takes the next request.
    private bool TryAnswer()
    {
        ConfigMessage request;
        lock (_gate)
        {
            while (_replies.TryPeek(out var reply) && TryPut(_queues[Limits.ConfigRxQueue], reply))
            {
                _replies.Dequeue();
            }

            var bytes = new byte[ConfigMessage.Size];
            if (_replies.Count > 0 || !TryTake(Limits.ConfigTxQueue, bytes))
            {
                return false;
            }

            request = ConfigMessage.Read(bytes);
        }

        var answer = Answer(request);
        lock (_gate)
        {
            if (answer is not null)
            {
                _replies.Enqueue(answer);
            }
        }

        return true;
    }

    private bool TryDrain(int index)
    {
        lock (_gate)
        {
            return TryTake(index, []);
        }
    }

    private bool TryTake(int index, Span<byte> bytes)
    {
        if (_queues[index] is not { } queue || !TryTake(queue, out var chain))
        {
            return false;
        }

        chain.CopyTo(bytes);
        queue.Queue.Return(chain.Head, 0);
        CallIfWanted(queue);
        return true;
    }

    private static bool TryPut(StartedQueue? queue, ReadOnlySpan<byte> bytes)
    {
        if (queue is null || !TryTake(queue, out var chain))
        {
            return false;
        }

        queue.Queue.Return(chain.Head, (uint)chain.Write(bytes));
        CallIfWanted(queue);
        return true;
    }

    private static bool TryTake(StartedQueue queue, out DescriptorChain chain)
    {
        while (!queue.Queue.TryTake(out chain))
        {
            if (!queue.Queue.EnableKicks())
            {
                return false;
            }
        }

        return true;
    }

    private static void CallIfWanted(StartedQueue queue)
    {
        if (queue.Queue.MustCall())
        {
            queue.Call.Signal();
        }
    }
}
