namespace VirtioUser.Vm;

/// <summary>
/// Something that this machine lacks or does not permit. The message is one sentence for the person at the
/// keyboard and says what to do about it.
/// </summary>
public sealed class SetupException(string message, Exception? inner = null) : Exception(message, inner);
