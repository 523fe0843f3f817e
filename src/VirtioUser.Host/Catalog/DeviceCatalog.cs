// The devices of a host, in the order in which a guest sees them.
using Microsoft.Extensions.Logging;
using VirtioUser.Host.Plugins;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Catalog;

/// <summary>At most 4096 devices, each version counted; each vendor/device pair once. Fixed once made.</summary>
public sealed class DeviceCatalog : IAsyncDisposable
{
    private readonly CatalogEntry[] _entries;

    /// <summary>Checks and keeps a list of devices.</summary>
    /// <param name="entries">The devices and where each came from.</param>
    /// <exception cref="DeviceLoadException">A vendor/device pair stands twice, a device's versions make no sense, or there are too many.</exception>
    public DeviceCatalog(IEnumerable<CatalogEntry> entries)
    {
        _entries = [.. entries];
        Identities = [.. _entries.SelectMany(entry => entry.Versions.Select(version => entry.Identity with { Version = version }))];
        if (Identities.Count > Limits.MaxDevices)
        {
            throw new DeviceLoadException(
                $"{Identities.Count} devices were given, each version counted; one host can offer {Limits.MaxDevices}.");
        }

        foreach (var entry in _entries)
        {
            if (!entry.Versions.Contains(entry.Identity.Version) || entry.Versions.Distinct().Count() != entry.Versions.Count)
            {
                throw new DeviceLoadException(
                    $"{entry.Place} lists the versions {string.Join(", ", entry.Versions)}: each must be there once, and {entry.Identity.Version}, that of its identity.");
            }
        }

        foreach (var pair in _entries.GroupBy(entry => (entry.Identity.Vendor, entry.Identity.Device)).Where(pair => pair.Count() > 1))
        {
            var places = string.Join(" and ", pair.Select(entry => entry.Place));
            throw new DeviceLoadException($"Vendor {pair.Key.Vendor:x4}, device {pair.Key.Device:x4} stands twice: {places}.");
        }
    }

    /// <summary>The devices.</summary>
    public IReadOnlyList<CatalogEntry> Entries => _entries;

    /// <summary>What a guest sees: all devices, in the order of an enumeration.</summary>
    public IReadOnlyList<DeviceIdentity> Identities { get; }

    /// <summary>There is a log: what libraries have logged while they were loaded goes there, and what they log from now on.</summary>
    /// <param name="loggers">Makes logs.</param>
    /// <param name="limit">Puts a bound on the lines that a library writes outside of its callbacks.</param>
    public void AttachLog(ILoggerFactory loggers, Func<ILogger, ILogger> limit)
    {
        foreach (var device in _entries.Select(entry => entry.Device).OfType<SharedLibraryDevice>())
        {
            device.AttachLog(loggers, limit);
        }
    }

    /// <summary>The host ends: all devices end, at the same time. No instance is made any more. Waits as long as they take.</summary>
    /// <exception cref="AggregateException">Some threw; all have ended.</exception>
    public async ValueTask DisposeAsync()
    {
        // On threads of the pool, which nothing else needs any more: a device may block in it.
        var ends = Task.WhenAll(_entries.Select(entry => Task.Run(async () => await entry.Device.DisposeAsync().ConfigureAwait(false))));
        await ((Task)ends).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (ends.Exception is { } failure)
        {
            throw failure;
        }
    }

    /// <summary>Finds a device; vendor and device must match exactly.</summary>
    /// <param name="vendor">The vendor ID.</param>
    /// <param name="device">The device ID.</param>
    /// <returns>Null when there is none.</returns>
    public CatalogEntry? Find(uint vendor, uint device)
    {
        foreach (var entry in _entries)
        {
            if (entry.Identity.Vendor == vendor && entry.Identity.Device == device)
            {
                return entry;
            }
        }

        return null;
    }
}
