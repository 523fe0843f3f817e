// Why the daemon does not start with the devices it was given.
namespace VirtioUser.Host.Catalog;

/// <summary>A device could not be loaded; the message names the file and what is wrong with it.</summary>
/// <param name="message">What is wrong, in one sentence.</param>
/// <param name="inner">The cause, if there is one.</param>
public sealed class DeviceLoadException(string message, Exception? inner = null) : Exception(message, inner);
