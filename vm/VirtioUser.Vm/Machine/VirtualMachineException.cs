namespace VirtioUser.Vm;

/// <summary>The VM did not start, ended by itself, or did not do what it was asked; the message holds its last words.</summary>
public sealed class VirtualMachineException(string message, Exception? inner = null) : Exception(message, inner);
