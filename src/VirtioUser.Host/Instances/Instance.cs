// One instance: what it holds, and whether it still lives.
using System.Collections.Concurrent;
using Virtio;
using VirtioUser.Devices;
using VirtioUser.Host.Events;
using VirtioUser.Host.Memory;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Instances;

/// <summary>What one <c>open</c> in the guest has made. Lives until its last callback has returned.</summary>
#pragma warning disable CA1001 // its source of cancellation holds nothing outside of this process's memory: it has neither a timer nor a handle
internal sealed class Instance(ulong handle, DeviceIdentity identity)
#pragma warning restore CA1001
{
    private static long s_lastId;

    private readonly ConcurrentDictionary<ulong, SharedObject> _references = new(concurrencyLevel: 1, capacity: 1);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _cancellation = new();
    private readonly TaskCompletionSource _told = new();
    private bool _isTold;
    private readonly Lock _referenceLock = new();
    private bool _takesNoReferences;
    private volatile bool _failed;
    private volatile bool _abandoned;
    private volatile bool _isEnding;
    private volatile string? _failure;

    /// <summary>Stands for the instances that a driver names and that do not exist.</summary>
    public static Instance Unknown() => new(0, default);

    /// <summary>What the guest calls it, never 0 but for the unknown one. Each device model counts for itself.</summary>
    public ulong Handle { get; } = handle;

    /// <summary>What devices call it: never 0, and never used twice in a process, whichever guest's it is.</summary>
    public ulong Id { get; } = handle == 0 ? 0 : (ulong)Interlocked.Increment(ref s_lastId);

    /// <summary>Vendor and device, and the version that the guest has opened.</summary>
    public DeviceIdentity Identity { get; } = identity;

    /// <summary>The device's own object. Set before the instance can be found; then for the one who runs the strand.</summary>
    public DeviceInstance? Implementation { get; set; }

    /// <summary>Its pings.</summary>
    public Strand Strand { get; } = new();

    /// <summary>Its work that goes on without a thread.</summary>
    public AsyncStep Step { get; } = new();

    /// <summary>Its events that wait for the guest.</summary>
    public EventBacklog Backlog { get; } = new();

    /// <summary>What the device keeps of objects for longer than a ping.</summary>
    public HoldList Holds { get; } = new();

    /// <summary>Cancelled when the instance ends.</summary>
    public CancellationToken Ending => _cancellation.Token;

    /// <summary>A callback threw: no callback runs any more, pings are answered as failed.</summary>
    public bool Failed => _failed;

    /// <summary>The guest's side is gone: pings that have not begun are dropped, events go nowhere.</summary>
    public bool Abandoned => _abandoned;

    /// <summary>The end has begun, or comes after the pings that are in line: nobody waits for the guest any more to send an event.</summary>
    public bool IsEnding => _isEnding;

    /// <summary>Why its last ping failed, or why it has ended; null if neither. Any thread.</summary>
    public string? Failure
    {
        get => _failure;
        set => _failure = value;
    }

    /// <summary>How many pings were interrupted that asked for no answer. For the one who runs the strand.</summary>
    public int InterruptedUnasked { get; set; }

    /// <summary>Whether events of the device go nowhere any more.</summary>
    public bool SendsNoMore => _abandoned || _failed || _ended.Task.IsCompleted;

    /// <summary>Complete when the last callback has returned and everything was given back.</summary>
    public Task Ended => _ended.Task;

    /// <summary>The guest went away. Only while the event lane is held, so that no event follows.</summary>
    public void MarkAbandoned() => _abandoned = true;

    /// <summary>The end was asked for.</summary>
    public void MarkEnding() => _isEnding = true;

    /// <summary>A callback threw.</summary>
    public void MarkFailed() => _failed = true;

    /// <summary>Everything was given back.</summary>
    public void MarkEnded() => _ended.TrySetResult();

    /// <summary>Complete when the device's code that hears of <see cref="Ending"/> has returned. Who waits for it goes on there.</summary>
    public Task Told => _told.Task;

    /// <summary>Cancels <see cref="Ending"/>: runs the device's code, on this thread; unless another thread does, or has done it.</summary>
    /// <exception cref="AggregateException">That threw.</exception>
    public void Cancel()
    {
        if (Interlocked.Exchange(ref _isTold, true))
        {
            return;
        }

        try
        {
            _cancellation.Cancel();
        }
        finally
        {
            _told.SetResult();
        }
    }

    /// <summary>Whether the instance has a reference to an object. Any thread, no lock.</summary>
    public bool TryGetReference(ulong shmId, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out SharedObject? shared) =>
        _references.TryGetValue(shmId, out shared);

    /// <summary>Finds an object by a range of the arena that lies inside it. Any thread, no lock.</summary>
    /// <returns>Null if the instance has a reference to none.</returns>
    public SharedObject? FindReference(ulong offset, ulong size)
    {
        foreach (var (_, shared) in _references)
        {
            if (Bounds.Contains(shared.Offset, shared.Size, offset, size, out _))
            {
                return shared;
            }
        }

        return null;
    }

    /// <summary>Adds a reference.</summary>
    /// <returns>False when there is one to the object already, or the instance has ended: the caller keeps the reference.</returns>
    public bool TryAddReference(SharedObject shared)
    {
        lock (_referenceLock)
        {
            return !_takesNoReferences && _references.TryAdd(shared.ShmId, shared);
        }
    }

    /// <summary>Takes a reference away from the instance.</summary>
    public bool TryRemoveReference(ulong shmId, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out SharedObject? shared) =>
        _references.TryRemove(shmId, out shared);

    /// <summary>Takes all references away, for good.</summary>
    public IReadOnlyList<SharedObject> TakeAllReferences()
    {
        lock (_referenceLock)
        {
            _takesNoReferences = true;
        }

        var taken = new List<SharedObject>();
        foreach (var shmId in _references.Keys)
        {
            if (_references.TryRemove(shmId, out var shared))
            {
                taken.Add(shared);
            }
        }

        return taken;
    }
}
