// A folder for a socket, gone after the test. Its path is short: a socket's may have 107 bytes.
using Virtio;

namespace VirtioUser.Daemon.Tests.Support;

internal sealed class SocketFolder : IDisposable
{
    private readonly DirectoryInfo _folder = ScratchFolder.Create("vt-");

    public string SocketPath => Path.Combine(_folder.FullName, "s");

    public void Dispose() => _folder.Delete(recursive: true);
}
