namespace VirtioUser.Vm;

/// <summary>The processor that QEMU shows to the guest.</summary>
/// <remarks>
/// An emulated <c>rep movsb</c> copies a byte at a time, and a guest that believes in its being fast (ERMS, FSRM) copies with
/// nothing else: seven times slower than it can. Every comparison of shared memory with a way that copies would be flattered.
/// </remarks>
public static class GuestProcessor
{
    /// <summary>QEMU's argument for -cpu where the guest is emulated.</summary>
    public const string Emulated = "max,erms=off,fsrm=off";

    /// <summary>QEMU's argument for -cpu on this machine: under KVM the processor that is there.</summary>
    public static string Model => HostTools.HasKvm() ? "host" : Emulated;
}
