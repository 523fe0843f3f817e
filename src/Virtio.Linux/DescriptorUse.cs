// Keeps a descriptor from being closed while its number is in a structure that the kernel reads.
namespace Virtio.Linux;

/// <summary>Holds a reference to a descriptor from construction to <see cref="Dispose"/>; for system calls that take numbers inside structures.</summary>
internal readonly ref struct DescriptorUse : IDisposable
{
    private readonly FileDescriptor _descriptor;

    internal DescriptorUse(FileDescriptor descriptor)
    {
        var added = false;
        descriptor.DangerousAddRef(ref added);
        _descriptor = descriptor;
    }

    internal int Number => (int)_descriptor.DangerousGetHandle();

    public void Dispose() => _descriptor.DangerousRelease();
}
