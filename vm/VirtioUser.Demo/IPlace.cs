// Where the demo's programs run.
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>A VM, or this machine itself: the programs are the same.</summary>
internal interface IPlace : IAsyncDisposable
{
    /// <summary>What stands over a program's output.</summary>
    string Title { get; }

    /// <summary>Does what does not need the daemon.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted.</exception>
    Task PrepareAsync(CancellationToken cancellationToken);

    /// <summary>Gets ready to run programs with a daemon's devices.</summary>
    /// <param name="daemon">The daemon, which listens.</param>
    /// <param name="folders">All folders that programs need: their own, and those with what they read and write.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    Task StartAsync(DaemonProcess daemon, IReadOnlyList<Share> folders, CancellationToken cancellationToken);

    /// <summary>Where programs see a folder.</summary>
    /// <param name="folder">One of those that it was started with.</param>
    string FolderOf(Share folder);

    /// <summary>Runs a program to its end.</summary>
    /// <param name="command">Program and arguments, with paths as programs see them.</param>
    /// <param name="output">Called for each line of its output.</param>
    /// <param name="error">Called for each line of its error output.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>Its exit code.</returns>
    Task<int> RunAsync(IReadOnlyList<string> command, Action<string> output, Action<string> error, CancellationToken cancellationToken);

    /// <summary>Ends what was started, in good order.</summary>
    Task StopAsync();
}
