// Several processes, and one that is killed in the middle.
using System.Globalization;
using TestDevice.Dependency;
using Virtio.Linux;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Processes)]
public class ProcessTests
{
    [Fact]
    public void An_object_exported_by_one_process_is_imported_by_another()
    {
        using var device = Given.Device();
        using var memory = device.Allocate(1 << 20);
        Pattern.Fill(memory.Span, 1);
        using var child = Child.Start("import", memory.Export(), 2);

        Assert.Equal(Text(Pattern.Checksum(memory.Span)), child.ReadLine());
        child.Continue();
        var theirs = child.ReadLine();
        Assert.Equal(0, child.WaitForExit());

        Assert.Equal(theirs, Text(Pattern.Checksum(memory.Span)));
        var expected = new byte[1 << 20];
        Pattern.Fill(expected, 2);
        Assert.Equal(expected, memory.Span);
    }

    [Fact]
    public void An_object_that_was_not_exported_is_out_of_another_process_s_reach()
    {
        using var device = Given.Device();
        using var memory = device.Allocate(4096);
        using var child = Child.Start("import", memory.Id, 2);

        Assert.Equal(nameof(Errno.ENOENT), child.ReadLine());
        Assert.Equal(0, child.WaitForExit());
    }

    [Fact]
    public async Task A_killed_process_leaves_nothing_behind()
    {
        // More than half of the smallest arena, so that there is room for it once only.
        const ulong length = 600 << 20;
        var gate = Given.Gate();
        using var device = Given.Device();
        using var child = Child.Start("hold", gate, length);
        Assert.Equal("holding", child.ReadLine());
        var scarce = device.TryAllocate(length) is null;

        child.Kill();
        device.Ping(Given.Ping(TestOperation.Release, gate), Given.Deadline());

        // The instances end in the background: there is nothing to wait for but the memory itself.
        var deadline = Given.Deadline();
        SharedObject? memory;
        while ((memory = device.TryAllocate(length)) is null)
        {
            await Task.Delay(20, deadline);
        }

        for (ulong offset = 0; offset < length; offset += 1 << 20)
        {
            Assert.Equal(0, memory.GetSpan(offset, 1)[0]);
        }

        memory.Dispose();
        Assert.True(scarce || ArenaIsLarge(), "the child did not hold its memory");
    }

    [Fact]
    public void A_process_killed_while_it_opens_leaves_nothing_behind()
    {
        using var device = Given.Device();
        using var child = Child.Start("open-slow");
        Assert.Equal("opening", child.ReadLine());

        child.Kill();

        device.Ping(Given.Ping(TestOperation.Release, TestDevices.SlowCreateGate), Given.Deadline());
        device.Ping(Given.Ping(TestOperation.Release, TestDevices.SlowDestroyGate), Given.Deadline());
        using var slow = Given.Device(TestDevices.Slow);
        Assert.Equal(1u, slow.Ping(Given.Ping(TestOperation.Count), Given.Deadline()));
    }

    private static string Text(uint number) => number.ToString(CultureInfo.InvariantCulture);

    private static bool ArenaIsLarge() =>
        Directory.EnumerateFiles("/sys/bus/virtio/devices", "*").Concat(Directory.EnumerateDirectories("/sys/bus/virtio/devices"))
            .Select(each => Path.Combine(each, "shared_memory_size")).Where(File.Exists)
            .Any(each => ulong.Parse(File.ReadAllText(each), CultureInfo.InvariantCulture) > 1UL << 30);
}

internal static class DeviceExtensions
{
    /// <summary>Allocates, or returns null where there is no room.</summary>
    public static SharedObject? TryAllocate(this VirtioUserDevice device, ulong length)
    {
        try
        {
            return device.Allocate(length);
        }
        catch (VirtioUserException e) when (e.Errno == Errno.ENOMEM)
        {
            return null;
        }
    }
}
