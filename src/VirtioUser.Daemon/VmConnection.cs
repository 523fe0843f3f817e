// A front-end that is served, on a thread of its own.
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Virtio.Linux;
using Virtio.VhostUser;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>Serves one connection from its beginning to its end. A fault in it ends this one and no other.</summary>
/// <param name="services">What all connections share.</param>
/// <param name="socket">The connection; owned from now on.</param>
/// <param name="gone">Called when nothing is left of the connection, on any thread.</param>
internal sealed class VmConnection(VmServices services, UnixSocket socket, Action<VmConnection> gone)
{
    // How long a connection may take to end; what it waits for itself takes less.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);

    // How often it is looked whether the connection of a running driver has ended while somebody waits.
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly object _gate = new(); // not a Lock: it is waited on
    private readonly ILogger _logger = services.Loggers.CreateLogger<VmConnection>();
    private readonly TaskCompletionSource _instancesEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // All of these under the gate.
    private BackEnd? _backEnd;
    private long _noDriverSince = Stopwatch.GetTimestamp();
    private bool _driverRuns;
    private bool _stopping;
    private long _stoppingSince;
    private bool _over;

    /// <summary>Complete when the connection is over and all instances of its drivers have ended.</summary>
    public Task InstancesEnded => _instancesEnded.Task;

    /// <summary>Whether the connection is over.</summary>
    public bool IsOver
    {
        get
        {
            lock (_gate)
            {
                return _over;
            }
        }
    }

    /// <summary>Begins to serve.</summary>
    /// <exception cref="OutOfMemoryException">The system has no thread left; the connection is closed then.</exception>
    public void Start()
    {
        try
        {
            new Thread(Main) { IsBackground = true, Name = "vhost-user" }.Start();
        }
        catch (OutOfMemoryException)
        {
            socket.Dispose();
            _over = true;
            _ = EndAsync(null);
            throw;
        }
    }

    /// <summary>Ends the connection soon. Any thread.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            if (!_stopping)
            {
                (_stopping, _stoppingSince) = (true, Stopwatch.GetTimestamp());
                Monitor.PulseAll(_gate);
            }

            _backEnd?.Stop();
        }
    }

    /// <summary>
    /// Waits until the connection is over, for somebody who wants to be served. One that has no running driver yields after a time:
    /// what only connects, stands still or is half set up must not keep others waiting for good. Nor does one whose thread the
    /// front-end has the kernel hold: after a time it is left to itself.
    /// </summary>
    /// <param name="patience">How long it may be without a running driver.</param>
    /// <param name="mayLeave">Whether a connection that does not end may be left behind.</param>
    /// <param name="stillWaits">Whether the other one is still there, asked before the connection is ended.</param>
    /// <returns>False if the other one is not there any more.</returns>
    public bool WaitForTurn(TimeSpan patience, bool mayLeave, Func<bool> stillWaits)
    {
        lock (_gate)
        {
            while (!_over)
            {
                var left = patience - Stopwatch.GetElapsedTime(_noDriverSince);
                if (_stopping)
                {
                    var leftToEnd = EndPatience - Stopwatch.GetElapsedTime(_stoppingSince);
                    if (mayLeave && leftToEnd <= TimeSpan.Zero)
                    {
                        Log.LeftBehind(services.LogBudgets.Listener.For(_logger), EndPatience.TotalSeconds);
                        return true;
                    }

                    Monitor.Wait(_gate, mayLeave ? leftToEnd : Timeout.InfiniteTimeSpan);
                }
                else if (_driverRuns)
                {
                    // Its thread notices the end of the connection by itself, unless it is held.
                    if (!Monitor.Wait(_gate, LookInterval) && !_over && HasEnded())
                    {
                        Stop();
                    }
                }
                else if (left > TimeSpan.Zero)
                {
                    Monitor.Wait(_gate, left);
                }
                else if (stillWaits())
                {
                    Log.Yielded(services.LogBudgets.Listener.For(_logger), patience.TotalSeconds);
                    Stop();
                }
                else
                {
                    return false;
                }
            }

            return true;
        }
    }

    private bool HasEnded()
    {
        try
        {
            return socket.HasEnded;
        }
        catch (Exception e) when (e is LinuxException or ObjectDisposedException)
        {
            return true;
        }
    }

    /// <summary>Waits until the connection is over.</summary>
    public void WaitForEnd()
    {
        lock (_gate)
        {
            while (!_over)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    private void NoteDriver(bool runs)
    {
        lock (_gate)
        {
            (_driverRuns, _noDriverSince) = (runs, Stopwatch.GetTimestamp());
            Monitor.PulseAll(_gate);
        }
    }

    private void Main()
    {
        var listenerLog = services.LogBudgets.Listener.For(_logger);
        services.Totals.Own.Add(Counter.Connections);
        Log.Connected(listenerLog);
        VmSession? session = null;
        try
        {
            session = new VmSession(services, NoteDriver);
            Serve(session);
            Log.Disconnected(listenerLog);
        }
        catch (Exception e) when (e is VhostUserException or LinuxException)
        {
            Log.ConnectionFailed((session?.GuestLog ?? services.LogBudgets.Listener).For(_logger), e.Message);
        }
#pragma warning disable CA1031 // whatever it is, it ends this connection and no other
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.ConnectionBroke((session?.GuestLog ?? services.LogBudgets.Listener).For(_logger), e);
        }
        finally
        {
            socket.Discard();
            lock (_gate)
            {
                _over = true;
                Monitor.PulseAll(_gate);
            }

            _ = EndAsync(session);
        }
    }

    private void Serve(VmSession session)
    {
        var options = new BackEndOptions { MaxGuestMemory = services.Options.MaxGuestMemory, TrustFrontEnd = services.Options.TrustFrontEnd };
        using var backEnd = new BackEnd(socket, session.BackEnd, options);
        lock (_gate)
        {
            if (_stopping)
            {
                return;
            }

            _backEnd = backEnd;
        }

        try
        {
            backEnd.Run();
        }
        finally
        {
            lock (_gate)
            {
                _backEnd = null;
            }
        }
    }

    private async Task EndAsync(VmSession? session)
    {
        if (session is not null)
        {
            session.Dispose();
            await session.InstancesEnded.ConfigureAwait(false);
            _instancesEnded.SetResult();
            await session.Gone.ConfigureAwait(false);
        }

        _instancesEnded.TrySetResult();
        gone(this);
    }
}
