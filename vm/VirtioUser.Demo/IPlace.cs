// Where the demo's program runs.
using VirtioUser.Vm;

namespace VirtioUser.Demo;

/// <summary>A VM, or this machine itself: the program is the same.</summary>
interface IPlace : IAsyncDisposable
{
    /// <summary>What stands over the program's output.</summary>
    string Title { get; }

    /// <summary>Does what does not need the daemon.</summary>
    /// <exception cref="SetupException">Something is missing or not permitted.</exception>
    Task PrepareAsync(CancellationToken cancellationToken);

    /// <summary>Gets ready to run the program with a daemon's devices.</summary>
    /// <param name="daemon">The daemon, which listens.</param>
    /// <param name="inputs">What the program is to send.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    Task StartAsync(DaemonProcess daemon, Inputs inputs, CancellationToken cancellationToken);

    /// <summary>Runs the program to its end.</summary>
    /// <param name="inputs">What it is to send.</param>
    /// <param name="output">Called for each line of its output.</param>
    /// <param name="error">Called for each line of its error output.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <returns>Its exit code.</returns>
    Task<int> RunAsync(Inputs inputs, Action<string> output, Action<string> error, CancellationToken cancellationToken);

    /// <summary>Ends what was started, in good order.</summary>
    Task StopAsync();
}
