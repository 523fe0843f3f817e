// The other end of a connection broke the protocol.
namespace Virtio.VhostUser;

/// <summary>The other end sent something that it must not, or refused something. The message says what.</summary>
public sealed class VhostUserException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What was wrong, in terms of the specification.</param>
    /// <param name="inner">The failure behind it, if there is one.</param>
    public VhostUserException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
