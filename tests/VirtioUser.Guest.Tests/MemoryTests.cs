// An instance's memory is its own.
using TestDevice.Dependency;
using Virtio.Linux;
using Xunit;

namespace VirtioUser.Guest.Tests;

public class MemoryTests
{
    private const ulong MiB = 1 << 20;

    [Fact]
    public void Guest_and_device_see_the_same_bytes()
    {
        using var device = Given.Device();
        using var memory = device.Allocate(MiB);
        Pattern.Fill(memory.Span, 1);
        Assert.Equal(Pattern.Checksum(memory.Span), device.Ping(Given.Ping(memory, TestOperation.Checksum), Given.Deadline()));

        device.Ping(Given.Ping(memory, TestOperation.Fill, 2), Given.Deadline());
        var expected = new byte[MiB];
        Pattern.Fill(expected, 2);
        Assert.Equal(expected, memory.Span);
    }

    [Fact]
    public void A_ping_about_a_part_reaches_no_other_byte()
    {
        using var device = Given.Device();
        using var memory = device.Allocate(3 * 4096);
        device.Ping(new PingRequest(memory, 4104, 4096, TestDevices.Metadata(TestOperation.Fill, 5)), Given.Deadline());

        Assert.False(memory.Span[..4104].ContainsAnyExcept((byte)0));
        Assert.False(memory.Span[8200..].ContainsAnyExcept((byte)0));
        var expected = new byte[4096];
        Pattern.Fill(expected, 5);
        Assert.Equal(expected, memory.GetSpan(4104, 4096));
    }

    [Fact]
    public void The_device_is_told_where_the_guest_sees_the_bytes()
    {
        using var device = Given.Device();
        using var memory = device.Allocate(4 * 4096);
        var whole = device.Ping(Given.Ping(memory, TestOperation.PhysicalPage), Given.Deadline());
        var part = device.Ping(new PingRequest(memory, 2 * 4096, 4096, TestDevices.Metadata(TestOperation.PhysicalPage)), Given.Deadline());

        Assert.Equal(whole + 2, part);
    }

    [Fact]
    public void Pings_about_bytes_that_the_instance_does_not_hold_fail_and_the_instance_goes_on()
    {
        using var device = Given.Device();
        using var other = Given.Device();
        using var memory = device.Allocate(4096);
        using var foreign = other.Allocate(4096);
        var freed = device.Allocate(4096);
        freed.Dispose();
        var metadata = TestDevices.Metadata(TestOperation.Fill);

        foreach (var bad in new[]
        {
            PingRequest.Unchecked(metadata, ulong.MaxValue, 0, 8),
            PingRequest.Unchecked(metadata, foreign.Id, 0, 8),
            PingRequest.Unchecked(metadata, freed.Id, 0, 8),
            PingRequest.Unchecked(metadata, memory.Id, 0, 4097),
            PingRequest.Unchecked(metadata, memory.Id, 4096, 1),
            PingRequest.Unchecked(metadata, memory.Id, 4089, 8),
            PingRequest.Unchecked(metadata, memory.Id, ulong.MaxValue, 2),
            PingRequest.Unchecked(metadata, memory.Id, 8, ulong.MaxValue),
        })
        {
            Assert.Throws<PingFailedException>(() => { device.Ping(bad, Given.Deadline()); });
        }

        Assert.False(memory.Span.ContainsAnyExcept((byte)0));
        Assert.False(foreign.Span.ContainsAnyExcept((byte)0));
        Assert.Equal(1u, device.Ping(Given.Ping(TestOperation.Count), Given.Deadline()));
    }

    [Fact]
    public void Memory_is_zero_when_it_comes_back()
    {
        // More than half of the smallest arena: what comes back overlaps what was freed.
        const ulong length = 768 * MiB;
        using var device = Given.Device();
        using (var first = device.Allocate(length))
        {
            for (ulong offset = 0; offset < length; offset += 4096)
            {
                first.GetSpan(offset, 1)[0] = 0xFF;
            }
        }

        using var second = device.Allocate(length);
        for (ulong offset = 0; offset < length; offset += 64 * MiB)
        {
            Assert.False(second.GetSpan(offset, (int)MiB).ContainsAnyExcept((byte)0));
        }

        for (ulong offset = 0; offset < length; offset += 4096)
        {
            Assert.Equal(0, second.GetSpan(offset, 1)[0]);
        }
    }

    [Fact]
    public void Memory_that_is_all_taken_is_ENOMEM_until_some_is_freed()
    {
        using var device = Given.Device();
        var held = new List<SharedObject>();
        var exception = Assert.Throws<VirtioUserException>(() =>
        {
            while (held.Count < 1 << 12)
            {
                held.Add(device.Allocate(256 * MiB));
            }
        });
        Assert.Equal((Errno.ENOMEM, "allocate"), (exception.Errno, exception.Operation));

        held[0].Dispose();
        using var again = device.Allocate(256 * MiB);
        held.ForEach(each => each.Dispose());
    }

    [Fact]
    public void An_object_lives_as_long_as_somebody_holds_it()
    {
        using var importer = Given.Device(TestDevices.Second);
        SharedObject imported;
        using (var exporter = Given.Device())
        {
            var memory = exporter.Allocate(MiB);
            Pattern.Fill(memory.Span, 3);
            Assert.Equal(Errno.ENOENT, Assert.Throws<VirtioUserException>(() => importer.Import(memory.Id)).Errno);
            imported = importer.Import(memory.Export());
        }

        var expected = new byte[MiB];
        Pattern.Fill(expected, 3);
        Assert.Equal(expected, imported.Span);
        Assert.Equal(Pattern.Checksum(expected), importer.Ping(Given.Ping(imported, TestOperation.Checksum), Given.Deadline()));
        var id = imported.Id;
        imported.Dispose();
        Assert.Equal(Errno.ENOENT, Assert.Throws<VirtioUserException>(() => importer.Import(id)).Errno);
    }

    [Fact]
    public void Two_GiB_go_through_an_object_of_64_MiB()
    {
        const ulong part = 64 * MiB;
        using var device = Given.Device();
        using var memory = device.Allocate(part);
        for (ulong done = 0; done < 2048 * MiB; done += 2 * part)
        {
            Pattern.Fill(memory.Span, done);
            Assert.Equal(Pattern.Checksum(memory.Span), device.Ping(Given.Ping(memory, TestOperation.Checksum), Given.Deadline()));
            device.Ping(Given.Ping(memory, TestOperation.Fill, done + 1), Given.Deadline());
            Assert.Equal(device.Ping(Given.Ping(memory, TestOperation.Checksum), Given.Deadline()), Pattern.Checksum(memory.Span));
        }
    }
}
