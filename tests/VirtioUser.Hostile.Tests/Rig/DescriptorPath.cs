// A path by which an open descriptor can be opened again.
using System.Globalization;
using Virtio.Linux;

namespace VirtioUser.Hostile.Tests.Rig;

internal sealed class DescriptorPath : IDisposable
{
    private readonly FileDescriptor _descriptor;
    private readonly bool _held;

    public DescriptorPath(FileDescriptor descriptor)
    {
        _descriptor = descriptor;
        descriptor.DangerousAddRef(ref _held);
        Path = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{descriptor.DangerousGetHandle()}");
    }

    public string Path { get; }

    public void Dispose()
    {
        if (_held)
        {
            _descriptor.DangerousRelease();
        }
    }
}
