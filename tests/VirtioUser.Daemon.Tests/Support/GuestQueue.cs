// One virtqueue of a guest, with its buffers and its two eventfds.
using System.Diagnostics;
using Virtio.Linux;
using Virtio.Queues;

namespace VirtioUser.Daemon.Tests.Support;

/// <summary>The driver's side of a queue whose messages all have room in buffers of one length.</summary>
internal sealed class GuestQueue : IDisposable
{
    private const uint BufferLength = 512;
    private const int MaxBuffers = 512;

    private readonly GuestRam _ram;
    private readonly QueueLayout _layout;
    private readonly GuestBuffer[] _buffers;
    private readonly GuestBuffer[] _tables;
    private readonly Stack<int> _free = new();
    private readonly bool _indirect;

    public GuestQueue(GuestRam ram, ushort size, QueueFeatures features)
    {
        _ram = ram;
        _indirect = features.HasFlag(QueueFeatures.IndirectDescriptors);
        _layout = QueueLayout.At(size, ram.Take(QueueLayout.LengthOf(size)));
        Driver = new DriverQueue(ram.Memory, _layout, features);
        var count = Math.Min((int)size, MaxBuffers);
        _buffers = [.. Enumerable.Range(0, count).Select(_ => Buffer(BufferLength))];
        _tables = [.. Enumerable.Range(0, count).Select(_ => Buffer(64))];
        for (var i = count; i-- > 0;)
        {
            _free.Push(i);
        }

        GuestBuffer Buffer(uint length) => new(ram.Take(length), length);
    }

    public DriverQueue Driver { get; }

    public EventFd Kick { get; } = EventFd.Create();

    public EventFd Call { get; } = EventFd.Create();

    /// <summary>Where the rings are in the guest's memory.</summary>
    public QueueLayout Layout => _layout;

    public QueueLayout UserLayout => GuestRam.ToUserAddresses(_layout);

    /// <summary>How many messages can be under way.</summary>
    public int Capacity => _buffers.Length;

    /// <summary>Offers a message to the device.</summary>
    /// <returns>False if everything is under way.</returns>
    public bool TrySend(ReadOnlySpan<byte> message)
    {
        if (!_free.TryPop(out var slot))
        {
            return false;
        }

        var buffer = _buffers[slot] with { Length = (uint)message.Length };
        message.CopyTo(_ram.GetSpan(buffer));
        Add(slot, [buffer], []);
        return true;
    }

    /// <summary>Offers room for a message of the device.</summary>
    /// <returns>False if everything is under way.</returns>
    public bool TryPost(uint length = BufferLength)
    {
        if (!_free.TryPop(out var slot))
        {
            return false;
        }

        Add(slot, [], [_buffers[slot] with { Length = length }]);
        return true;
    }

    /// <summary>Offers room for a message of the device and does not tell it.</summary>
    public void PostSilently()
    {
        Assert.True(_free.TryPop(out var slot));
        Assert.True(Driver.TryAdd([], [_buffers[slot]], (ulong)slot));
    }

    /// <summary>Offers a chain of any shape, with the first buffers of the queue's own as far as these reach.</summary>
    public void SendChain(ReadOnlySpan<GuestBuffer> readable, ReadOnlySpan<GuestBuffer> writable)
    {
        Assert.True(_free.TryPop(out var slot));
        Assert.True(Driver.TryAdd(readable, writable, (ulong)slot));
        KickIfWanted();
    }

    /// <summary>Waits for the next entry that comes back.</summary>
    /// <param name="message">What the device wrote.</param>
    /// <param name="what">For the failure: what was waited for.</param>
    public void Receive(out ReadOnlySpan<byte> message, string what)
    {
        var began = Stopwatch.GetTimestamp();
        while (!TryReceive(out message))
        {
            // A call that never came is a failure, even if the entry has come.
            if (!Driver.EnableCalls() && !Call.Wait(Patience.Left(began, what)))
            {
                throw new TimeoutException($"Nobody called: {what}.");
            }

            Call.TryConsume();
        }
    }

    /// <summary>Takes an entry that has come back.</summary>
    public bool TryReceive(out ReadOnlySpan<byte> message)
    {
        message = default;
        if (!Driver.TryReclaim(out var token, out var written))
        {
            return false;
        }

        _free.Push((int)token);
        message = _ram.GetSpan(_buffers[(int)token] with { Length = written });
        return true;
    }

    public void KickIfWanted()
    {
        if (Driver.MustKick())
        {
            Kick.Signal();
        }
    }

    public void Dispose()
    {
        Kick.Dispose();
        Call.Dispose();
    }

    private void Add(int slot, ReadOnlySpan<GuestBuffer> readable, ReadOnlySpan<GuestBuffer> writable)
    {
        Assert.True(_indirect
            ? Driver.TryAddIndirect(_tables[slot], readable, writable, (ulong)slot)
            : Driver.TryAdd(readable, writable, (ulong)slot));
        KickIfWanted();
    }
}
