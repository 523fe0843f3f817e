// The demo's programs on this machine, without a VM.
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>Programs reach the daemon straight through its socket.</summary>
internal sealed class HostPlace : IPlace
{
    private string _socketPath = "";

    public string Title => "Without a VM";

    public Task PrepareAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(DaemonProcess daemon, IReadOnlyList<Share> folders, CancellationToken cancellationToken)
    {
        _socketPath = daemon.SocketPath;
        return Task.CompletedTask;
    }

    public string FolderOf(Share folder) => folder.HostFolder;

    public Task<int> RunAsync(IReadOnlyList<string> command, Action<string> output, Action<string> error, CancellationToken cancellationToken) =>
        ChildProcess.RunAsync(
            command[0], command.Skip(1),
            new ChildProcess.Options
            {
                Environment = new Dictionary<string, string?> { ["VIRTIO_USER"] = $"unix:{_socketPath}" },
                Output = output,
                Error = error,
            },
            cancellationToken);

    public Task StopAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
