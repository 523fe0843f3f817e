// Who a device is, in the ID space that the configuration field enumeration_space_id names.
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace VirtioUser.Protocol;

/// <summary>
/// Vendor, device and version of a virtio-user device. Vendor and device must match exactly when an
/// instance is created; the version is negotiated (draft, "Config Virtqueue Messages").
/// </summary>
/// <param name="Vendor">The vendor ID.</param>
/// <param name="Device">The device ID, chosen by the vendor.</param>
/// <param name="Version">The version of the device's own protocol.</param>
public readonly record struct DeviceIdentity(uint Vendor, uint Device, uint Version) : IParsable<DeviceIdentity>
{
    /// <summary>The name of the device's node in the guest: hexadecimal, at least 4, 4 and 2 digits.</summary>
    /// <returns>For example <c>5655:0001:01</c>.</returns>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Vendor:x4}:{Device:x4}:{Version:x2}");

    /// <summary>Reads the form that <see cref="ToString"/> writes.</summary>
    /// <param name="s">Three hexadecimal numbers of at most eight digits, with colons between.</param>
    /// <param name="provider">Not used: the form is the same everywhere.</param>
    /// <exception cref="FormatException">The text is not of that form.</exception>
    public static DeviceIdentity Parse(string s, IFormatProvider? provider = null) =>
        TryParse(s, provider, out var identity)
            ? identity
            : throw new FormatException($"'{s}' is not a device identity: expected VENDOR:DEVICE:VERSION in hexadecimal.");

    /// <summary>Reads the form that <see cref="ToString"/> writes, without throwing.</summary>
    /// <param name="s">The text, or null.</param>
    /// <param name="provider">Not used.</param>
    /// <param name="result">What was read.</param>
    /// <returns>False where the text is not of that form.</returns>
    public static bool TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out DeviceIdentity result)
    {
        result = default;
        var parts = s?.Split(':');
        if (parts is not { Length: 3 } || !TryHex(parts[0], out var vendor) ||
            !TryHex(parts[1], out var device) || !TryHex(parts[2], out var version))
        {
            return false;
        }

        result = new DeviceIdentity(vendor, device, version);
        return true;
    }

    private static bool TryHex(string text, out uint value) =>
        uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
}
