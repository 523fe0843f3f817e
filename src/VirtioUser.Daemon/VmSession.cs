// One connection, with everything that belongs to it alone.
using Microsoft.Extensions.Logging;
using VirtioUser.Host;

namespace VirtioUser.Daemon;

/// <summary>
/// Owns what a connection has for itself: its arena, its device model with the queues, its budget of log lines, what it has
/// counted. It is built for the connection and dropped as a whole, so nothing of one connection can reach another: no byte,
/// no ring entry, no handle, no wait. What a callback still uses lives until the callback returns.
/// </summary>
internal sealed class VmSession : IDisposable
{
    private readonly VmServices _services;
    private readonly SharedMapping _arena;
    private readonly TaskCompletionSource _instancesEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ILogger _logger;

    /// <summary>Makes the arena; the rest when a driver starts.</summary>
    /// <param name="services">What all connections share.</param>
    /// <param name="driverRuns">Called when a driver starts the device, and when it stops. On the connection's thread.</param>
    /// <exception cref="Virtio.Linux.LinuxException">No descriptor or no memory is left.</exception>
    public VmSession(VmServices services, Action<bool> driverRuns)
    {
        _services = services;
        _logger = services.Loggers.CreateLogger<VmSession>();
        _arena = new SharedMapping("virtio-user-arena", services.Limits.ArenaSize);
        GuestLog = services.LogBudgets.Begin(services.Loggers);
        BackEnd = new UserBackEnd(services, _arena, GuestLog, driverRuns);
    }

    /// <summary>The budget of log lines that this connection can cause.</summary>
    public GuestLog GuestLog { get; }

    /// <summary>The device as the connection sees it.</summary>
    public UserBackEnd BackEnd { get; }

    /// <summary>After <see cref="Dispose"/>: complete when all instances have ended, those whose callbacks took long too.</summary>
    public Task InstancesEnded => _instancesEnded.Task;

    /// <summary>After <see cref="Dispose"/>: complete when nothing is left of the connection.</summary>
    public Task Gone { get; private set; } = Task.CompletedTask;

    /// <summary>The connection is over, and nobody uses <see cref="BackEnd"/> any more. Waits for nothing. Once.</summary>
    public void Dispose() => Gone = EndAsync();

    private async Task EndAsync()
    {
        var device = BackEnd.Device;
        try
        {
            if (device is not null)
            {
                await device.EndAsync().ConfigureAwait(false);
                _instancesEnded.SetResult();
                await device.Model.WhenMemoryUnusedAsync().ConfigureAwait(false);
            }

            _arena.Dispose();
        }
#pragma warning disable CA1031 // nobody waits who could do something about it
        catch (Exception e)
#pragma warning restore CA1031
        {
            Log.EndFailed(GuestLog.For(_logger), e);
        }
        finally
        {
            _instancesEnded.TrySetResult();
            _services.LogBudgets.End(GuestLog);
            if (device is not null)
            {
                _services.Totals.End(device.Counters);
            }
        }
    }
}
