// What the driver says in sysfs.
using System.Globalization;

namespace VirtioUser.Guest.Tests;

/// <summary>Attributes of the one virtio-user device of the VM.</summary>
internal static class DriverAttributes
{
    private const string DriverFolder = "/sys/bus/virtio/drivers/virtio_user";

    /// <summary>For how long waits poll the event ring, in microseconds.</summary>
    public static uint PollMicroseconds
    {
        get => uint.Parse(Read("poll_us"), CultureInfo.InvariantCulture);
        set => WritePollMicroseconds(value.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>Writes that attribute whatever the text.</summary>
    /// <exception cref="IOException">The driver refused it.</exception>
    public static void WritePollMicroseconds(string text) => File.WriteAllText(PathOf("poll_us"), text + '\n');

    /// <summary>A counter.</summary>
    public static long Statistic(string name) => long.Parse(Read(Path.Combine("statistics", name)), CultureInfo.InvariantCulture);

    private static string Read(string attribute) => File.ReadAllText(PathOf(attribute)).TrimEnd();

    private static string PathOf(string attribute) => Path.Combine(Directory.EnumerateDirectories(DriverFolder, "virtio*").Single(), attribute);
}
