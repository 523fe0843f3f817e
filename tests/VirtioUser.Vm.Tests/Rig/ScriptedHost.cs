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

    const ulong WakeToken = Limits.QueueCount;

    readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("vu-");
    readonly FileDescriptor arena = MemFd.Create("scripted-arena", ArenaLength);
    readonly EventFd wake = EventFd.Create();
    readonly EventFd cancel = EventFd.Create();
    readonly EventPoll poll = new();
    readonly StartedQueue?[] queues = new StartedQueue?[Limits.QueueCount];
    readonly bool[] isBlocked = new bool[Limits.QueueCount];
    readonly Lock gate = new(); // held by whoever touches a queue
    readonly UnixSocket listener;
    readonly Thread connection, worker;
    BackEnd? backEnd;
    byte[]? reply;
    volatile bool stopping;

    /// <summary>Listens; serves one VM.</summary>
    /// <param name="answer">
    /// Makes the reply to a request: normally 432 bytes. Null is no reply until <see cref="Reply"/> is called. On a thread
    /// of the host's own, one request at a time.
    /// </param>
    public ScriptedHost(Func<ConfigMessage, byte[]?> answer)
    {
        Answer = answer;
        listener = UnixSocket.Listen(SocketPath);
        poll.Add(wake.Descriptor, WakeToken);
        connection = new Thread(Serve) { IsBackground = true, Name = "scripted host: connection" };
        worker = new Thread(Work) { IsBackground = true, Name = "scripted host: queues" };
        connection.Start();
        worker.Start();
    }

    /// <summary>The socket for QEMU.</summary>
    public string SocketPath => Path.Combine(folder.FullName, "socket");

    /// <summary>See the constructor. May be replaced at any time.</summary>
    public Func<ConfigMessage, byte[]?> Answer { get; set; }

    /// <inheritdoc/>
    public override int QueueCount => Limits.QueueCount;

    /// <inheritdoc/>
    public override int ConfigurationLength => 256;

    /// <inheritdoc/>
    public override IReadOnlyList<SharedMemoryRegion?> SharedMemory => [new SharedMemoryRegion(arena, ArenaLength)];

    /// <summary>Gives the reply to a request that got none.</summary>
    public void Reply(ReadOnlySpan<byte> bytes)
    {
        lock (gate)
        {
            reply = bytes.ToArray();
        }

        wake.Signal();
    }

    /// <summary>Puts bytes on the event queue, at once.</summary>
    /// <exception cref="InvalidOperationException">The driver has no buffer there.</exception>
    public void SendEvent(ReadOnlySpan<byte> bytes)
    {
        lock (gate)
        {
            if (!TryPut(queues[Limits.EventQueue], bytes))
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
        lock (gate)
        {
            StartedQueue queue = queues[index] ?? throw new InvalidOperationException($"Queue {index} is not started.");
            action(queue.Queue);
            CallIfWanted(queue);
        }
    }

    /// <summary>Makes every kick of a started queue wait for good: the file behind the descriptor is the host's too.</summary>
    public void BlockKicks(int index)
    {
        lock (gate)
        {
            FileDescriptor kick = queues[index]!.Kick.Descriptor;
            poll.Remove(kick);
            kick.SetNonBlocking(false);
            queues[index]!.Kick.TryConsume();
            using FileStream file = new(new SafeFileHandle(kick.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0);
            file.Write(BitConverter.GetBytes(ulong.MaxValue - 1));
            isBlocked[index] = true;
        }
    }

    /// <summary>Tells the driver that the configuration has changed.</summary>
    public void ChangeConfiguration() => Assert.True(backEnd!.NotifyConfigurationChanged());

    /// <inheritdoc/>
    public override void QueueStarted(StartedQueue queue)
    {
        ArgumentNullException.ThrowIfNull(queue);
        lock (gate)
        {
            queues[queue.Index] = queue;
            poll.Add(queue.Kick.Descriptor, (ulong)queue.Index);
        }

        wake.Signal();
    }

    /// <inheritdoc/>
    public override void QueueStopping(int index)
    {
        lock (gate)
        {
            if (!isBlocked[index])
            {
                poll.Remove(queues[index]!.Kick.Descriptor);
            }

            queues[index] = null;
        }
    }

    /// <summary>The VM must have ended.</summary>
    public void Dispose()
    {
        stopping = true;
        cancel.Signal();
        wake.Signal();
        connection.Join();
        worker.Join();
        listener.Dispose();
        poll.Dispose();
        wake.Dispose();
        cancel.Dispose();
        arena.Dispose();
        folder.Delete(recursive: true);
    }

    void Serve()
    {
        if (listener.Accept(cancel) is { } socket)
        {
            using (backEnd = new BackEnd(socket, this))
            {
                try
                {
                    backEnd.Run();
                }
                catch (LinuxException)
                {
                    // A QEMU that is stopped breaks off its connection; the tests see by themselves what that did.
                }
            }
        }
    }

    void Work()
    {
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[Limits.QueueCount + 1];
        while (!stopping)
        {
            wake.TryConsume();
            while (TryAnswer() || TryDrain(Limits.PingQueue))
            {
            }

            int count = poll.Wait(ready);
            lock (gate)
            {
                foreach (ReadyDescriptor each in ready[..count])
                {
                    if (each.Token != WakeToken)
                    {
                        queues[each.Token]?.Kick.TryConsume();
                    }
                }
            }
        }
    }

    // Sends the reply that is due, if any, then takes the next request.
    bool TryAnswer()
    {
        ConfigMessage request;
        lock (gate)
        {
            if (reply is not null && TryPut(queues[Limits.ConfigRxQueue], reply))
            {
                reply = null;
            }

            byte[] bytes = new byte[ConfigMessage.Size];
            if (reply is not null || !TryTake(Limits.ConfigTxQueue, bytes))
            {
                return false;
            }

            request = ConfigMessage.Read(bytes);
        }

        byte[]? answer = Answer(request);
        lock (gate)
        {
            reply ??= answer;
        }

        return true;
    }

    bool TryDrain(int index)
    {
        lock (gate)
        {
            return TryTake(index, []);
        }
    }

    bool TryTake(int index, Span<byte> bytes)
    {
        if (queues[index] is not { } queue || !TryTake(queue, out DescriptorChain chain))
        {
            return false;
        }

        chain.CopyTo(bytes);
        queue.Queue.Return(chain.Head, 0);
        CallIfWanted(queue);
        return true;
    }

    static bool TryPut(StartedQueue? queue, ReadOnlySpan<byte> bytes)
    {
        if (queue is null || !TryTake(queue, out DescriptorChain chain))
        {
            return false;
        }

        queue.Queue.Return(chain.Head, (uint)chain.Write(bytes));
        CallIfWanted(queue);
        return true;
    }

    static bool TryTake(StartedQueue queue, out DescriptorChain chain)
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

    static void CallIfWanted(StartedQueue queue)
    {
        if (queue.Queue.MustCall())
        {
            queue.Call.Signal();
        }
    }
}
