// mmap: bounded, cached, and over when the object is.
using System.Globalization;
using System.Text.RegularExpressions;
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using Xunit;

namespace VirtioUser.Guest.Tests;

[Trait(Given.Needs, Given.Driver)]
public sealed partial class MapTests : IDisposable
{
    private readonly RawInstance _instance = new();

    public void Dispose() => _instance.Dispose();

    [Fact]
    public void A_page_of_an_object_shows_the_same_bytes_as_the_whole()
    {
        var held = _instance.Allocate(3 * 4096);
        using var whole = _instance.Map(held);
        using var second = Mapping.Map(_instance.File.Descriptor, held.Offset + 4096, 4096);

        whole.GetSpan(4096, 5).Fill(7);

        Assert.Equal(7, second.GetSpan(4, 1)[0]);
        Assert.Equal(0, second.GetSpan(5, 1)[0]);
    }

    [Fact]
    public void A_mapping_can_be_read_only()
    {
        var held = _instance.Allocate(4096);
        using var writable = _instance.Map(held);
        using var readable = Mapping.Map(_instance.File.Descriptor, held.Offset, 4096, MapAccess.Read);

        writable.GetSpan(0, 1)[0] = 9;

        Assert.Equal(9, readable.GetSpan(0, 1)[0]);
    }

    [Fact]
    public void Nothing_beyond_a_held_object_can_be_mapped()
    {
        var held = _instance.Allocate(2 * 4096);
        using var other = new RawInstance();
        var foreign = other.Allocate(4096);

        Assert.Equal(Errno.EINVAL, MapErrno(held.Offset, 3 * 4096));
        Assert.Equal(Errno.EINVAL, MapErrno(held.Offset + 4096, 2 * 4096));
        Assert.Equal(Errno.EINVAL, MapErrno(foreign.Offset, 4096));
        Assert.Equal(Errno.EINVAL, MapErrno(1UL << 40, 4096));
        _instance.Call(DriverInterface.Free, held.Id);
        Assert.Equal(Errno.EINVAL, MapErrno(held.Offset, 4096));
    }

    [Fact]
    public void After_FREE_every_mapping_faults_even_when_the_place_is_used_again()
    {
        var held = _instance.Allocate(4096);
        using var touched = _instance.Map(held);
        using var untouched = _instance.Map(held);
        touched.GetSpan(0, 1)[0] = 1;

        _instance.Call(DriverInterface.Free, held.Id);
        var next = _instance.Allocate(4096);
        using var mapping = _instance.Map(next);
        mapping.GetSpan(0, 1)[0] = 2;

        Assert.True(Given.Faults(touched));
        Assert.True(Given.Faults(untouched));
        Assert.False(Given.Faults(mapping));
    }

    [Fact]
    public void After_close_a_mapping_faults()
    {
        var instance = new RawInstance();
        using var mapping = instance.Map(instance.Allocate(4096));
        mapping.GetSpan(0, 1)[0] = 1;
        Assert.False(Given.Faults(mapping));

        instance.Dispose();

        Assert.True(Given.Faults(mapping));
    }

    [Fact]
    public void One_hold_s_end_leaves_the_mappings_of_another()
    {
        using var other = new RawInstance();
        var held = _instance.Allocate(4096);
        _instance.Call(DriverInterface.Export, held.Id);
        using var first = _instance.Map(held);
        using var second = other.Map(other.Import(held.Id));
        first.GetSpan(0, 1)[0] = 3;

        _instance.Call(DriverInterface.Free, held.Id);

        Assert.True(Given.Faults(first));
        Assert.Equal(3, second.GetSpan(0, 1)[0]);
    }

    [Fact]
    public void Touching_freed_memory_ends_the_program()
    {
        using var child = Child.Start("touch-freed");

        // By SIGBUS itself, or by the runtime's abort that follows from it.
        var code = child.WaitForExit();
        Assert.True(code is 128 + 7 or 128 + 6, $"the exit code is {code}");
        Assert.Equal("freed", child.Output.Single());
    }

    [Fact]
    public void The_memory_is_mapped_write_back()
    {
        const string list = "/sys/kernel/debug/x86/pat_memtype_list";
        using var device = Given.Device();
        using var memory = device.Allocate(4096);
        memory.Span[0] = 1;
        var address = (ulong)device.Ping(Given.Ping(memory, TestOperation.PhysicalPage), Given.Deadline()) << 12;

        var types = from line in File.ReadLines(list)
                    let match = MemoryType().Match(line)
                    where match.Success && Number(match, 1) <= address && address < Number(match, 2)
                    select match.Groups[3].Value;
        Assert.Equal(["write-back"], types.Distinct());

        static ulong Number(Match match, int group) => ulong.Parse(match.Groups[group].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex(@"\[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] (\S+)")]
    private static partial Regex MemoryType();

    private Errno MapErrno(ulong offset, ulong length) =>
        RawInstance.ErrnoOf(() => Mapping.Map(_instance.File.Descriptor, offset, length).Dispose());
}
