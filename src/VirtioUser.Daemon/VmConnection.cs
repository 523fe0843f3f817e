// A front-end that is served, on a thread of its own.
using Microsoft.Extensions.Logging;
using Virtio.Linux;
using Virtio.VhostUser;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>Serves one connection from its beginning to its end. A fault in it ends this one and no other.</summary>
/// <param name="services">What it gets of what is there without it.</param>
/// <param name="socket">The connection; owned from now on.</param>
/// <param name="ownNames">The names of all sockets that this process listens on.</param>
/// <param name="table">Is told what becomes of the connection.</param>
internal sealed class VmConnection(VmServices services, UnixSocket socket, IReadOnlyList<byte[]> ownNames, ConnectionTable table)
{
    private readonly Lock _gate = new();
    private readonly ILogger _logger = services.Loggers.CreateLogger<VmConnection>();
    private readonly TaskCompletionSource _instancesEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Both under the gate.
    private BackEnd? _backEnd;
    private bool _stopping;

    /// <summary>Complete when the connection is over and all instances of its drivers have ended.</summary>
    public Task InstancesEnded => _instancesEnded.Task;

    /// <summary>For lines about the connection that come out of the listener's budget.</summary>
    public ILogger ListenerLog => services.LogBudgets.Listener.For(_logger);

    /// <summary>Whether the front-end has ended the connection, even if its thread has not noticed.</summary>
    public bool HasEnded
    {
        get
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
            table.NoteOver(this);
            _ = EndAsync(null);
            throw;
        }
    }

    /// <summary>Ends the connection soon. Any thread; does not wait.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            _stopping = true;
            _backEnd?.Stop();
        }
    }

    private void Main()
    {
        services.Totals.Own.Add(Counter.Connections);
        Log.Connected(ListenerLog);
        VmSession? session = null;
        try
        {
            session = new VmSession(services, runs => table.NoteDriver(this, runs));
            Serve(session);
            Log.Disconnected(ListenerLog);
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
            table.NoteOver(this);
            _ = EndAsync(session);
        }
    }

    private void Serve(VmSession session)
    {
        var options = new BackEndOptions
        {
            MaxGuestMemory = services.Limits.MaxGuestMemory,
            TrustFrontEnd = services.Limits.TrustFrontEnd,
            OwnNames = ownNames,
        };
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
        table.NoteGone(this);
    }
}
