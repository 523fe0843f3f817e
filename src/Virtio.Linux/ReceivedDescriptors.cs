// The descriptors that came with a message.
namespace Virtio.Linux;

/// <summary>
/// Owns the descriptors that <see cref="UnixSocket"/> received, until someone takes them. Disposing or clearing
/// it closes the rest, so that no descriptor of a refused message leaks. Not for several threads at once.
/// </summary>
public sealed class ReceivedDescriptors : IDisposable
{
    private readonly FileDescriptor?[] _descriptors;
    private readonly int _depth;

    /// <summary>Makes an empty collection.</summary>
    /// <param name="capacity">How many descriptors a message may carry, 0 to 253 (the kernel's limit).</param>
    public ReceivedDescriptors(int capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacity);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, UnixSocket.MaximumDescriptors);
        _descriptors = new FileDescriptor?[capacity];
    }

    /// <summary>How many descriptors it can hold.</summary>
    public int Capacity => _descriptors.Length;

    /// <summary>How many descriptors came, taken ones included.</summary>
    public int Count { get; private set; }

    /// <summary>Looks at a descriptor that was not taken yet; it stays owned by the collection.</summary>
    /// <exception cref="InvalidOperationException">It was taken.</exception>
    public FileDescriptor this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return _descriptors[index] ?? throw new InvalidOperationException($"Descriptor {index} was taken.");
        }
    }

    /// <summary>Takes a descriptor out; the caller owns it from now on.</summary>
    /// <exception cref="InvalidOperationException">It was taken before.</exception>
    public FileDescriptor Take(int index)
    {
        var descriptor = this[index];
        _descriptors[index] = null;
        return descriptor;
    }

    /// <summary>
    /// Closes what was not taken and makes the collection empty. A socket whose closing takes long is left to another thread.
    /// </summary>
    public void Clear()
    {
        CountdownEvent? sockets = null;
        for (var i = 0; i < Count; i++)
        {
            if (_descriptors[i] is not { } descriptor)
            {
                continue;
            }

            _descriptors[i] = null;
            if (_depth > 0)
            {
                ForeignDescriptor.CloseNow(descriptor, _depth); // this is that other thread
            }
            else if (ForeignDescriptor.IsSocket(descriptor))
            {
                sockets ??= new CountdownEvent(1);
                sockets.AddCount();
                SocketCloser.Post(descriptor, sockets);
            }
            else
            {
                descriptor.Dispose();
            }
        }

        Count = 0;
        if (sockets is not null)
        {
            SocketCloser.WaitBriefly(sockets);
        }
    }

    /// <summary>Closes what was not taken.</summary>
    public void Dispose() => Clear();

    /// <param name="capacity">How many.</param>
    /// <param name="depth">In how many sockets the one lies that they come from.</param>
    internal ReceivedDescriptors(int capacity, int depth)
        : this(capacity) => _depth = depth;

    internal bool TryAdd(FileDescriptor descriptor)
    {
        if (Count == _descriptors.Length)
        {
            return false;
        }

        _descriptors[Count++] = descriptor;
        return true;
    }
}
