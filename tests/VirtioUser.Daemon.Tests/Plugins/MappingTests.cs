// A device's own memory inside a guest's objects.
using System.Text.RegularExpressions;
using NativeDevice;
using TestDevice.Dependency;
using VirtioUser.Daemon.Tests.Direct;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Guest;
using static NativeDevice.MappingDevice;

namespace VirtioUser.Daemon.Tests.Plugins;

public sealed class MappingTests : IDisposable
{
    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Kind.SharedFile, "is a file that is mapped shared")]
    [InlineData(Kind.ShortFile, "pwrite: Bad address")]
    [InlineData(Kind.NoAccess, "can not be read")]
    [InlineData(Kind.Nothing, "nothing is mapped at 10000")]
    [InlineData(Kind.Stack, "is a stack")]
    [InlineData(Kind.Code, "is code")]
    [InlineData(Kind.Kernel, "belongs to the kernel")]
    [InlineData(Kind.AlreadyShared, "shows the shared memory already")]
    [InlineData(Kind.Crooked, "must be multiples of 4096")]
    public async Task Memory_that_can_not_be_replaced_is_refused_with_the_reason(Kind kind, string reason)
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var memory = device.Allocate(4 * Page);
        memory.Span.Fill(1);
        var pages = kind == Kind.ShortFile ? 2 : 1;

        Assert.Equal(0u, Map(device, memory, slot: 7, kind, page: 1, pages));

        Assert.Matches($"5655:7e5c:01 can not map {pages * Page} bytes of its own at [0-9a-f]+ to [0-9a-f]+: .*{Regex.Escape(reason)}", await daemon.LineAsync("can not map"));
        Assert.Equal(-1, memory.Span[..Page].IndexOfAnyExcept((byte)1));
        Assert.Equal(-1, memory.Span[((1 + pages) * Page)..].IndexOfAnyExcept((byte)1));
        Assert.Equal(1u, Map(device, memory, slot: 8, Kind.Heap, page: 1, pages: 3));
    }

    [Fact]
    public async Task Only_ranges_of_objects_that_the_device_holds_can_be_mapped_and_each_once()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var stranger = source.Open(TestDevices.Second);
        using var memory = device.Allocate(4 * Page);
        using var strange = stranger.Allocate(4 * Page);

        Assert.Equal(0u, Map(device, memory, slot: 1, Kind.Heap, page: 1, pages: 4));
        Assert.Equal(0u, Map(device, memory, slot: 1, Kind.Anonymous, page: 3, pages: 16 << 10));
        Assert.Equal(1u, Map(device, memory, slot: 2, Kind.Heap, page: 1, pages: 2));
        Assert.Equal(0u, Map(device, memory, slot: 3, Kind.Heap, page: 2, pages: 2));
        Assert.Contains("that is not inside an object", await daemon.LineAsync("can not map 16384 bytes"), StringComparison.Ordinal);
        Assert.Contains("something is mapped there already", await daemon.LineAsync("can not map 8192 bytes"), StringComparison.Ordinal);

        Assert.Equal(0u, Map(device, memory, slot: 4, Kind.Heap, page: 0, pages: 0));
        Assert.Equal(0u, Unmap(device, memory, slot: 2, page: 0));
        Assert.Contains("nothing was mapped so", await daemon.LineAsync("can not unmap 8192 bytes"), StringComparison.Ordinal);
        Assert.Equal(-1, strange.Span.IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public async Task The_end_of_the_last_instance_that_holds_the_object_ends_the_mapping()
    {
        await using var daemon = await ListenAsync("--log-level", "Debug");
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var survivor = Open(source);
        var first = Open(source);
        var second = Open(source);
        var memory = first.Allocate(Page);
        var imported = second.Import(memory.Export());
        Assert.Equal(1u, Map(first, memory, slot: 7, Kind.SharedMemfd, page: 0, pages: 1));

        first.Dispose();
        await daemon.LineAsync("Instance 2 of 5655:7e5c:01 ended");
        imported.Span[0] = 60;
        Assert.Equal(60u, Ask(survivor, Operation.Peek, 7, offset: 0));
        Assert.Equal(7u, Ask(survivor, Operation.PeekFile, 7, offset: 0));
        second.Dispose();
        await daemon.LineAsync("Instance 3 of 5655:7e5c:01 ended");
        using var fresh = survivor.Allocate(Page);

        Assert.Equal(60u, Ask(survivor, Operation.Peek, 7, offset: 0));
        Assert.Equal(60u, Ask(survivor, Operation.PeekFile, 7, offset: 0));
        Assert.Equal(0, fresh.Span[0]);
        fresh.Span[0] = 61;
        Assert.Equal(60u, Ask(survivor, Operation.Peek, 7, offset: 0));
        Assert.Equal(1u, Map(survivor, fresh, slot: 8, Kind.Heap, page: 0, pages: 1));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_end_of_the_instance_that_mapped_ends_what_others_have_freed(bool freesToo)
    {
        await using var daemon = await ListenAsync("--log-level", "Debug");
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var first = Open(source);
        var second = Open(source);
        var memory = first.Allocate(Page);
        var imported = second.Import(memory.Export());
        Assert.Equal(1u, Map(second, imported, slot: 7, Kind.SharedMemfd, page: 0, pages: 1));
        imported.Span[0] = 60;

        memory.Dispose();
        if (freesToo)
        {
            imported.Dispose();
        }

        Assert.Equal(7u, Ask(first, Operation.PeekFile, 7, offset: 0));
        second.Dispose();
        await daemon.LineAsync("Instance 2 of 5655:7e5c:01 ended");
        using var fresh = first.Allocate(Page);

        Assert.Equal(60u, Ask(first, Operation.PeekFile, 7, offset: 0));
        fresh.Span[0] = 61;
        Assert.Equal(60u, Ask(first, Operation.Peek, 7, offset: 0));
        Assert.Equal(1u, Map(first, fresh, slot: 8, Kind.Heap, page: 0, pages: 1));
    }

    [Fact]
    public async Task An_instance_that_closes_holds_the_object_until_its_last_callback_has_returned()
    {
        await using var daemon = await ListenAsync("--log-level", "Debug");
        var gone = DeviceSource.Daemon(_folder.SocketPath);
        var first = Open(gone);
        var second = Open(gone);
        var memory = first.Allocate(Page);
        second.Import(memory.Export());
        Assert.Equal(1u, Map(first, memory, slot: 7, Kind.SharedMemfd, page: 0, pages: 1));
        memory.Span[0] = 60;
        second.Send(new PingRequest(Metadata(Operation.Stay, 0, 0, 0)), TestContext.Current.CancellationToken);
        Ask(first, Operation.AwaitStay, 0);

        gone.Dispose(); // frees nothing: the host ends the instances, those that run a callback after it
        await daemon.LineAsync("Instance 1 of 5655:7e5c:01 ended");

        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var next = Open(source);
        Assert.Equal((60u, 7u), (Ask(next, Operation.Peek, 7, offset: 0), Ask(next, Operation.PeekFile, 7, offset: 0)));
        Ask(next, Operation.Leave, 0);
        await daemon.LineAsync("Instance 2 of 5655:7e5c:01 ended");
        Assert.Equal((60u, 60u), (Ask(next, Operation.Peek, 7, offset: 0), Ask(next, Operation.PeekFile, 7, offset: 0)));
    }

    [Fact]
    public async Task Memory_that_the_device_gave_away_while_it_was_mapped_is_left_alone()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        using var memory = device.Allocate(Page);
        Assert.Equal(1u, Map(device, memory, slot: 7, Kind.Anonymous, page: 0, pages: 1));
        memory.Span[0] = 9;
        Ask(device, Operation.Drop, 7);

        device.Dispose();

        Assert.Contains("something else there", await daemon.LineAsync("can not unmap"), StringComparison.Ordinal);
        using var next = Open(source);
        using var fresh = next.Allocate(Page);
        Assert.Equal(1u, Map(next, fresh, slot: 7, Kind.Heap, page: 0, pages: 1));
    }

    [Theory]
    [InlineData(Kind.Anonymous, 0)]
    [InlineData(Kind.Anonymous, 1)]
    [InlineData(Kind.SharedMemfd, 1)]
    [InlineData(Kind.SharedMemfd, 2)]
    public async Task The_rest_of_memory_of_which_the_device_gave_away_a_page_comes_back(Kind kind, int page)
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        var memory = device.Allocate(3 * Page);
        Assert.Equal(1u, Map(device, memory, slot: 7, kind, page: 0, pages: 3));
        memory.Span.Fill(9);
        Assert.Equal(1u, Ask(device, Operation.Cut, 7, offset: page * Page));

        Assert.Equal(0u, Unmap(device, memory, slot: 7, page: 0));

        Assert.Contains("something else there", await daemon.LineAsync("can not unmap"), StringComparison.Ordinal);
        memory.Dispose();
        using var fresh = device.Allocate(3 * Page);
        fresh.Span.Fill(10);
        foreach (var kept in Enumerable.Range(0, 3).Where(other => other != page))
        {
            Assert.Equal(9u, Ask(device, Operation.Peek, 7, offset: kept * Page));
            Ask(device, Operation.Poke, 7, value: 11, offset: kept * Page);
            if (kind == Kind.SharedMemfd)
            {
                Assert.Equal(11u, Ask(device, Operation.PeekFile, 7, offset: kept * Page));
            }
        }

        Assert.Equal(-1, fresh.Span.IndexOfAnyExcept((byte)10));
        await daemon.AssertStopsAsync();
    }

    [Fact]
    public async Task Bytes_that_the_device_has_moved_while_they_were_mapped_are_nobody_elses()
    {
        await using var daemon = await ListenAsync();
        using var source = DeviceSource.Daemon(_folder.SocketPath);
        using var device = Open(source);
        var memory = device.Allocate(2 * Page);
        Assert.Equal(1u, Map(device, memory, slot: 7, Kind.Anonymous, page: 0, pages: 2));
        memory.Span.Fill(9);
        Assert.Equal(1u, Ask(device, Operation.Move, 7));

        device.Dispose();

        Assert.Contains("never used again", await daemon.LineAsync("can not unmap"), StringComparison.Ordinal);
        using var next = Open(source);
        using var fresh = next.Allocate(2 * Page);
        fresh.Span.Fill(10);
        Assert.Equal(9u, Ask(next, Operation.Peek, 7, offset: Page));
        Ask(next, Operation.Poke, 7, value: 11, offset: Page);
        Assert.Equal(-1, fresh.Span.IndexOfAnyExcept((byte)10));
    }

    private static VirtioUserDevice Open(DeviceSource source) => source.Open(TestDevices.Mapping);

    private async Task<DaemonProcess> ListenAsync(params string[] arguments) =>
        await DaemonProcess.ListenAsync(_folder.SocketPath, [.. arguments, "--device", await NativeDevices.GetAsync("mapping_device"), "--device", BuildOutput.SecondDevice]);
}
