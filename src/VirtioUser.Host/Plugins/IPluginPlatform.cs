// What the device model needs of the system to show the memory of a shared library to a guest.
namespace VirtioUser.Host.Plugins;

/// <summary>Finds and moves pages, for one arena. Members may be called from any thread.</summary>
public interface IPluginPlatform
{
    /// <summary>Where a byte of the arena is in this process, as long as an object there is in use.</summary>
    /// <param name="arenaOffset">Which byte; inside the arena.</param>
    nint GetAddress(ulong arenaOffset);

    /// <summary>
    /// Copies a plug-in's memory into the arena and shows this part of the arena in its place: what plug-in and guest write
    /// there is seen by the other at once.
    /// </summary>
    /// <param name="address">The plug-in's first byte, a multiple of 4096.</param>
    /// <param name="length">How many bytes, a multiple of 4096, not 0.</param>
    /// <param name="arenaOffset">Where they appear in the arena, in bytes, a multiple of 4096.</param>
    /// <exception cref="IOException">The system refused.</exception>
    /// <exception cref="NotSupportedException">Such memory can not be replaced; the message says why.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The range is not aligned, or beyond the address space.</exception>
    IPluginPages Replace(nint address, ulong length, ulong arenaOffset);
}
