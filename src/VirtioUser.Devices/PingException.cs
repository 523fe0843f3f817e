// The failure of one ping.
namespace VirtioUser.Devices;

/// <summary>
/// Fails the ping whose callback throws it, and nothing else: the instance lives on. The guest sees the code in the answer, if it
/// asked for one. Any other exception ends the instance.
/// </summary>
public sealed class PingException : Exception
{
    /// <summary>The largest code: the answer has 22 bits for it.</summary>
    public const int MaxCode = (1 << 22) - 1;

    /// <summary>Fails a ping.</summary>
    /// <param name="code">The device's own, 0 to <see cref="MaxCode"/>.</param>
    /// <param name="message">For the log.</param>
    /// <param name="innerException">What was the reason.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such code.</exception>
    public PingException(int code, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)code, (uint)MaxCode, nameof(code));
        Code = code;
    }

    /// <summary>The device's own code.</summary>
    public int Code { get; }
}
