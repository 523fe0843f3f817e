// The demo's program on this machine, without a VM.
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>The program reaches the daemon straight through its socket.</summary>
sealed class HostPlace : IPlace
{
    string socketPath = "";

    public string Title => "Without a VM";

    public Task PrepareAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(DaemonProcess daemon, Inputs inputs, CancellationToken cancellationToken)
    {
        socketPath = daemon.SocketPath;
        return Task.CompletedTask;
    }

    public Task<int> RunAsync(Inputs inputs, Action<string> output, Action<string> error, CancellationToken cancellationToken) =>
        ChildProcess.RunAsync(
            "dotnet",
            [BuildOutput.PathOf("VirtioUser.Demo.Guest", "VirtioUser.Demo.Guest.dll"), .. inputs.HostPaths],
            new ChildProcess.Options
            {
                Environment = new Dictionary<string, string?> { ["VIRTIO_USER"] = $"unix:{socketPath}" },
                Output = output,
                Error = error,
            },
            cancellationToken);

    public Task StopAsync() => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
