// The other side broke a queue's rules.
namespace Virtio.Queues;

/// <summary>
/// The rings of a queue hold something that they must not, so that nothing in them can be trusted any more. The queue
/// is broken until it is set up anew. The message says what was wrong.
/// </summary>
public sealed class QueueException(string message) : Exception(message);
