// How much memory there is, where there is not enough.
using System.Globalization;
using Virtio.Linux;
using VirtioUser.Guest;

namespace VirtioUser.Codec;

/// <summary>Finds out how large an object may be at the moment: nobody tells, so it tries.</summary>
internal static class MemoryProbe
{
    private const ulong Step = 1 << 20;

    /// <summary>Says what an object was to hold and how much there is for it.</summary>
    /// <param name="device">The device that refused it.</param>
    /// <param name="size">Its bytes.</param>
    /// <param name="framesSize">Those of them for pictures.</param>
    public static string Describe(VirtioUserDevice device, ulong size, ulong framesSize)
    {
        var there = LargestBelow(device, size);
        var others = size - framesSize;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{size} bytes were wanted, {framesSize} of them for pictures, and the host has at most {there} in one piece{(there > others ? $": {there - others} for pictures would fit" : "")}. virtio-userd's --arena-size says how much there is for all programs (ENOMEM)");
    }

    /// <summary>The largest object below a size, within a MiB.</summary>
    private static ulong LargestBelow(VirtioUserDevice device, ulong size)
    {
        ulong fits = 0, refused = size / Step;
        while (refused - fits > 1)
        {
            var middle = fits + ((refused - fits) / 2);
            if (Fits(device, middle * Step))
            {
                fits = middle;
            }
            else
            {
                refused = middle;
            }
        }

        return fits * Step;
    }

    private static bool Fits(VirtioUserDevice device, ulong size)
    {
        try
        {
            device.Allocate(size).Dispose();
            return true;
        }
        catch (VirtioUserException e) when (e.Errno == Errno.ENOMEM)
        {
            return false;
        }
    }
}
