// A device and where it came from.
using VirtioUser.Devices;
using VirtioUser.Host.Plugins;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Catalog;

/// <summary>A device in a catalog.</summary>
/// <param name="Device">The device.</param>
/// <param name="Source">The file that it was loaded from, for messages.</param>
public sealed record CatalogEntry(Device Device, string Source)
{
    /// <summary>The identity, read once: a device's own code is not asked on every enumeration.</summary>
    public DeviceIdentity Identity { get; } = Device.Identity;

    /// <summary>The versions that the device accepts, read once and copied.</summary>
    public IReadOnlyList<uint> Versions { get; } = [.. Device.Versions];

    /// <summary>The code and its place, for messages.</summary>
    internal string Place => Device is SharedLibraryDevice ? Source : $"{Device.GetType()} in {Source}";
}
