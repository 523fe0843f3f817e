// What a connection gets of what is there without it.
using Microsoft.Extensions.Logging;
using VirtioUser.Daemon.Trying;
using VirtioUser.Host;
using VirtioUser.Host.Catalog;
using VirtioUser.Host.Workers;

namespace VirtioUser.Daemon;

/// <summary>The parts of the daemon that know nothing of any VM, as one connection sees them.</summary>
/// <param name="Options">What the daemon was told to do.</param>
/// <param name="Limits">What a connection of this listener may have.</param>
/// <param name="Bounds">Bounds of each device model.</param>
/// <param name="Catalog">The devices.</param>
/// <param name="Totals">What the device models of this listener have counted.</param>
/// <param name="LogBudgets">Where the budget of log lines of a connection comes from.</param>
/// <param name="Loggers">Logs whose lines name the connection.</param>
/// <param name="Workers">The threads that run devices.</param>
/// <param name="Kicks">What these wait for.</param>
/// <param name="Trace">Shows what passes; null if nobody asked for it.</param>
internal sealed record VmServices(
    DaemonOptions Options, ConnectionLimits Limits, Host.HostOptions Bounds, DeviceCatalog Catalog, HostTotals Totals, LogBudgets LogBudgets,
    ILoggerFactory Loggers, WorkerPool Workers, KickWaiter Kicks, Trace? Trace = null);
