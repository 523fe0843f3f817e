// The closed list of ioctls and their errors.
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Driver)]
public sealed class IoctlTests : IDisposable
{
    private readonly RawInstance _instance = new();

    public void Dispose() => _instance.Dispose();

    [Theory]
    [InlineData(0xC020_BE05u)] // the next number
    [InlineData(0xC028_BF00u)] // another magic
    [InlineData(0xC02C_BE00u)] // PING with 44 bytes
    [InlineData(0xC000_BE00u)] // PING with none
    [InlineData(0x4028_BE00u)] // PING that is not read
    [InlineData(0x4020_BE01u)] // ALLOC that is not read
    [InlineData(0xC028_BE01u)] // ALLOC with 40 bytes
    [InlineData(0x0000_5401u)] // TCGETS
    public void Anything_else_is_ENOTTY(uint request) =>
        Assert.Equal(Errno.ENOTTY, RawInstance.ErrnoOf(() => _instance.File.Ioctl(request, new byte[64])));

    [Fact]
    public void PING_sends_one_structure()
    {
        var ping = Given.Ping(TestOperation.Echo, 77) with { Events = 1 };
        _instance.File.Ioctl(DriverInterface.Ping, ref ping);

        Assert.Equal(77u, _instance.Read());
    }

    [Theory]
    [InlineData(DriverInterface.Allocate)]
    [InlineData(DriverInterface.Free)]
    [InlineData(DriverInterface.Export)]
    [InlineData(DriverInterface.Import)]
    public void Memory_operations_with_flags_or_reserved_bits_are_EINVAL(uint request)
    {
        var held = _instance.Allocate(4096);
        var flags = new ObjectArgument { Id = held.Id, Length = 4096, Flags = 1 };
        var reserved = new ObjectArgument { Id = held.Id, Length = 4096, Reserved = 1 };

        Assert.Equal(Errno.EINVAL, RawInstance.ErrnoOf(() => _instance.File.Ioctl(request, ref flags)));
        Assert.Equal(Errno.EINVAL, RawInstance.ErrnoOf(() => _instance.File.Ioctl(request, ref reserved)));
    }

    [Fact]
    public void ALLOC_of_nothing_is_EINVAL_and_of_too_much_is_ENOMEM()
    {
        Assert.Equal(Errno.EINVAL, RawInstance.ErrnoOf(() => _instance.Allocate(0)));
        Assert.Equal(Errno.ENOMEM, RawInstance.ErrnoOf(() => _instance.Allocate(1UL << 50)));
        Assert.Equal(Errno.ENOMEM, RawInstance.ErrnoOf(() => _instance.Allocate(ulong.MaxValue)));
        Assert.Equal(Errno.ENOMEM, RawInstance.ErrnoOf(() => _instance.Allocate(ulong.MaxValue - 4094)));
    }

    [Theory]
    [InlineData(1, 4096)]
    [InlineData(4096, 4096)]
    [InlineData(4097, 8192)]
    public void ALLOC_rounds_up_to_pages_and_names_an_object(ulong wanted, ulong given)
    {
        var first = _instance.Allocate(wanted);
        var second = _instance.Allocate(wanted);

        Assert.Equal(given, first.Length);
        Assert.Equal(0ul, first.Offset % 4096);
        Assert.NotEqual(0ul, first.Id);
        Assert.NotEqual(first.Id, second.Id);
        Assert.True(first.Offset + first.Length <= second.Offset || second.Offset + second.Length <= first.Offset);
    }

    [Theory]
    [InlineData(DriverInterface.Free)]
    [InlineData(DriverInterface.Export)]
    [InlineData(DriverInterface.Import)]
    public void An_object_that_does_not_exist_is_ENOENT(uint request)
    {
        Assert.Equal(Errno.ENOENT, RawInstance.ErrnoOf(() => _instance.File.Ioctl(request, ref Argument(0))));
        Assert.Equal(Errno.ENOENT, RawInstance.ErrnoOf(() => _instance.File.Ioctl(request, ref Argument(ulong.MaxValue))));

        static ref ObjectArgument Argument(ulong id) => ref new[] { new ObjectArgument { Id = id } }[0];
    }

    [Fact]
    public void An_object_of_another_instance_is_ENOENT()
    {
        using var other = new RawInstance();
        var held = other.Allocate(4096);

        Assert.Equal(Errno.ENOENT, RawInstance.ErrnoOf(() => _instance.Call(DriverInterface.Free, held.Id)));
        Assert.Equal(Errno.ENOENT, RawInstance.ErrnoOf(() => _instance.Call(DriverInterface.Export, held.Id)));
        Assert.Equal(Errno.ENOENT, RawInstance.ErrnoOf(() => _instance.Import(held.Id)));
        other.Call(DriverInterface.Export, held.Id);
        var imported = _instance.Import(held.Id);
        Assert.Equal((held.Id, held.Offset, held.Length), (imported.Id, imported.Offset, imported.Length));
    }

    [Fact]
    public void FREE_twice_is_ENOENT()
    {
        var held = _instance.Allocate(4096);
        _instance.Call(DriverInterface.Free, held.Id);

        Assert.Equal(Errno.ENOENT, RawInstance.ErrnoOf(() => _instance.Call(DriverInterface.Free, held.Id)));
    }
}
