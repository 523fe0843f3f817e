// The signals that ask a program to end. Compiled into each program that has something to remove then.
using System.Runtime.InteropServices;

namespace Virtio;

/// <summary>
/// Turns SIGHUP, SIGINT and SIGTERM into a cancellation, so that what was made is removed; a second SIGINT ends the program
/// as ever. Any thread.
/// </summary>
internal sealed class EndSignals : IDisposable
{
    // As shells have it.
    private const int CodeOfSignals = 128;

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;
    private int _first;

    /// <summary>Listens for them from now on.</summary>
    public EndSignals() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGHUP, context => Handle(context, 1)),
        PosixSignalRegistration.Create(PosixSignal.SIGINT, context => Handle(context, 2)),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => Handle(context, 15)),
    ];

    /// <summary>Is cancelled by the first of them.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>What a program ends with that was told to end: 128 and the number of the first signal.</summary>
    public int ExitCode => CodeOfSignals + _first;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _source.Dispose();
    }

    private void Handle(PosixSignalContext context, int number)
    {
        var first = Interlocked.CompareExchange(ref _first, number, 0);
        if (first == 0)
        {
            _ = _source.CancelAsync(); // what is called then may wait, and the next signal is to be heard
        }

        // A terminal that goes, and systemd, send several different ones; Ctrl+C twice is meant.
        context.Cancel = first == 0 || number != 2;
    }
}
