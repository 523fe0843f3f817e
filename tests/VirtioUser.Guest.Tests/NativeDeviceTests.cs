// Devices in C: what they answer, and what they do beside a ping.
using NativeDevice;
using TestDevice.Dependency;
using Xunit;
using static NativeDevice.HoldingDevice;

namespace VirtioUser.Guest.Tests;

public class NativeDeviceTests
{
    [Theory]
    [InlineData(TestDevices.ManyVersions)]
    [InlineData(TestDevices.ManyVersionsInC)]
    public void A_device_in_C_answers_as_one_in_csharp(uint number)
    {
        using var device = Given.Device(number);

        SameResults.AssertPings(device);
    }

    [Theory]
    [InlineData(TestDevices.ManyVersions)]
    [InlineData(TestDevices.ManyVersionsInC)]
    public void Its_events_come_in_order(uint number)
    {
        using var device = Given.Device(number);
        using var other = Given.Device(number);

        SameResults.AssertEvents(device, other);
    }

    [Fact]
    public void Bytes_that_it_holds_stay_its_own_when_the_program_frees_them()
    {
        using var device = Given.Device(TestDevices.Holding);
        var memory = device.Allocate(8192);
        memory.Span.Fill(1);
        Assert.Equal(1u, device.Ping(new PingRequest(memory, 100, 5000, Metadata(Operation.Hold, slot: 1)), Given.Deadline()));
        Ask(device, Operation.Poke, slot: 1, value: 60, number: 4999);
        Assert.Equal(60, memory.Span[5099]);

        memory.Dispose();
        using var other = device.Allocate(8192);
        other.Span.Fill(2);
        Assert.Equal((1u, 60u), (Ask(device, Operation.Peek, slot: 1, number: 0), Ask(device, Operation.Peek, slot: 1, number: 4999)));
        Ask(device, Operation.Poke, slot: 1, value: 61);

        Assert.Equal(-1, other.Span.IndexOfAnyExcept((byte)2));
        Assert.Equal(1u, Ask(device, Operation.Release, slot: 1));
        using var fresh = device.Allocate(8192);
        Assert.Equal(-1, fresh.Span.IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void What_its_thread_writes_after_the_callback_is_seen()
    {
        using var device = Given.Device(TestDevices.Holding);
        using var memory = device.Allocate(4096);
        Assert.Equal(1u, Ask(device, Operation.Hold, memory, slot: 2));
        Assert.Equal(1u, Ask(device, Operation.PokeLater, slot: 2, value: 60, number: 9));
        Assert.Equal(0, memory.Span[9]);

        Ask(device, Operation.Write);

        Assert.Equal(60u, device.ReadEvent(Given.Deadline()));
        Assert.Equal(60, memory.Span[9]);
    }
}
