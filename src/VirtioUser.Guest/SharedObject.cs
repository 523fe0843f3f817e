// Memory that the guest program and the host's device see at the same time.
using Virtio.Linux;
using VirtioUser.Guest.Channels;

namespace VirtioUser.Guest;

/// <summary>
/// A shared-memory object that this instance holds, mapped into the process. What is written is seen by the host at
/// once, and by every other instance that imported the object.
/// </summary>
/// <remarks>
/// <para>All members may be used from any thread. The bytes are memory: threads, and the device, that use the same
/// ones at the same time have to agree among themselves. In particular the device may still work on them after a
/// wait for its answer was cancelled.</para>
/// <para>After <see cref="Dispose"/> every member that reaches for the bytes throws
/// <see cref="ObjectDisposedException"/>. A span taken before is not guarded: it must not be used any more then, since the
/// kernel ends a process that touches memory that is gone. <see cref="GetMemory"/> is guarded, and memory that
/// is pinned (as .NET's own asynchronous reads and writes do) keeps the object until the pin is gone.</para>
/// <para>If the device itself goes away (it is unplugged, or the driver is unbound), so do the bytes: a program that
/// touches them then is ended by the kernel.</para>
/// </remarks>
public sealed class SharedObject : IDisposable
{
    private readonly DeviceChannel _channel;
    private readonly Mapping _mapping;
    private readonly Action<SharedObject> _released;
    private readonly Pins _pins;

    // 1 for the owner and 1 for each pin; at 0 the object goes.
    private int _users = 1;
    private int _disposed;

    internal SharedObject(DeviceChannel channel, ObjectDescription description, Action<SharedObject> released)
    {
        channel.AddReference();
        try
        {
            _mapping = channel.Map(description);
        }
        catch
        {
            channel.Dispose();
            throw;
        }

        _channel = channel;
        _released = released;
        _pins = new Pins(this);
        Id = description.Id;
        Length = description.Length;
    }

    /// <summary>The object's ID: never 0, never used twice while the host's daemon lives.</summary>
    public ulong Id { get; }

    /// <summary>The length in bytes: what was asked for, rounded up to whole pages.</summary>
    public ulong Length { get; }

    /// <summary>All bytes. See the remarks: a span must not be used after <see cref="Dispose"/>.</summary>
    /// <exception cref="OverflowException">The object has more than 2 GiB - 1 bytes: take parts with <see cref="GetSpan"/> or <see cref="GetMemory"/>.</exception>
    /// <exception cref="ObjectDisposedException">The object was freed.</exception>
    public Span<byte> Span => GetSpan(0, LengthOfAll());

    /// <summary>All bytes, for interfaces that want memory.</summary>
    /// <inheritdoc cref="Span"/>
    public Memory<byte> Memory => GetMemory(0, LengthOfAll());

    /// <summary>A part of the bytes. See the remarks: a span must not be used after <see cref="Dispose"/>.</summary>
    /// <param name="offset">Where the part begins, in bytes.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the object.</exception>
    /// <exception cref="ObjectDisposedException">The object was freed.</exception>
    public Span<byte> GetSpan(ulong offset, int length)
    {
        ThrowIfDisposed();
        return _mapping.GetSpan(offset, length);
    }

    /// <summary>A part of the bytes, for interfaces that want memory. May be kept: it throws once the object is gone.</summary>
    /// <inheritdoc cref="GetSpan"/>
    public Memory<byte> GetMemory(ulong offset, int length)
    {
        ThrowIfDisposed();
        return _mapping.GetMemory(offset, length, _pins);
    }

    /// <summary>Lets every other instance of this VM that knows the ID import the object.</summary>
    /// <returns>The ID.</returns>
    /// <exception cref="VirtioUserException">The host refused.</exception>
    /// <exception cref="ObjectDisposedException">The object was freed.</exception>
    public ulong Export()
    {
        ThrowIfDisposed();
        _channel.Export(Id);
        return Id;
    }

    /// <summary>
    /// Frees the object: gives this instance's reference back. The object itself goes with its last reference. Waits
    /// for the host, but not for pins: the last of these frees it then.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            RemoveUser();
        }
    }

    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed) != 0, this);

    private int LengthOfAll() => Length <= int.MaxValue
        ? (int)Length
        : throw new OverflowException(
            $"The object has {Length} bytes, more than the 2 GiB - 1 ({int.MaxValue}) of one span or memory: take parts with GetSpan or GetMemory.");

    private void RemoveUser()
    {
        if (Interlocked.Decrement(ref _users) != 0)
        {
            return;
        }

        _released(this);
        _mapping.Dispose();
        try
        {
            _channel.Free(Id);
        }
        catch (Exception e) when (e is VirtioUserException or ObjectDisposedException)
        {
            // The instance has ended, and with it its hold on the object: there is nothing left to free.
        }

        _channel.Dispose();
    }

    private sealed class Pins(SharedObject owner) : IPinCounter
    {
        public void AddPin()
        {
            int users;
            do
            {
                users = Volatile.Read(ref owner._users);
                ObjectDisposedException.ThrowIf(users == 0, owner);
            }
            while (Interlocked.CompareExchange(ref owner._users, users + 1, users) != users);
        }

        public void RemovePin() => owner.RemoveUser();
    }
}
