// What ends the demo with exit code 1.
namespace VirtioUser.Demo.Video;

/// <summary>Something did not hold that the demo is to show; the message says what.</summary>
/// <param name="message">What.</param>
internal sealed class DemonstrationException(string message) : Exception(message);
