// Bytes that a device keeps for longer than a ping.
namespace VirtioUser.Devices;

/// <summary>
/// Bytes of an object, shared with the guest like those of a ping, for work that goes on after the callback. They stay the
/// object's until <see cref="Dispose"/>, or until the instance's own Dispose has returned, whatever the guest frees meanwhile.
/// Members may be used from any thread; no span taken before may be touched after the end, since the bytes may be another object's then.
/// </summary>
public sealed class HeldRange : IDisposable
{
    private readonly SharedRange _range;
    private readonly IDisposable _hold;

    /// <summary>Made by the host.</summary>
    /// <param name="range">The bytes, in memory that throws <see cref="ObjectDisposedException"/> after the end.</param>
    /// <param name="hold">What ends the hold, when it is disposed of for the first time.</param>
    public HeldRange(SharedRange range, IDisposable hold)
    {
        _range = range;
        _hold = hold;
    }

    /// <summary>How many bytes.</summary>
    public ulong Length => _range.Length;

    /// <summary>The bytes: what is written is seen by the guest at once.</summary>
    /// <exception cref="OverflowException">There are more than 2 GiB - 1: take them with <see cref="Slice"/> or <see cref="OpenStream"/>.</exception>
    /// <exception cref="ObjectDisposedException">They are not held any more.</exception>
    public Span<byte> Bytes => _range.All;

    /// <summary>A part of the bytes.</summary>
    /// <param name="offset">Where the part begins, in bytes.</param>
    /// <param name="length">Its length in bytes.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the bytes.</exception>
    /// <exception cref="ObjectDisposedException">They are not held any more.</exception>
    public Span<byte> Slice(ulong offset, int length) => _range.Slice(offset, length);

    /// <summary>
    /// A part of the bytes as a stream, for code that wants one. It throws <see cref="ObjectDisposedException"/> when they are
    /// not held any more.
    /// </summary>
    /// <param name="offset">Where the part begins, in bytes.</param>
    /// <param name="length">Its length in bytes, which the stream cannot exceed: writing more is a <see cref="NotSupportedException"/>, and writes nothing.</param>
    /// <exception cref="ArgumentOutOfRangeException">The part is not inside the bytes.</exception>
    public Stream OpenStream(ulong offset, ulong length) => new SharedRangeStream(_range.Part(offset, length));

    /// <summary>Ends the hold. More than once is as once.</summary>
    public void Dispose() => _hold.Dispose();
}
