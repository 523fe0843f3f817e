// Config operations 3 to 6: shared memory as a guest sees it.
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Config;

public class MemoryOperationTests
{
    private readonly HeapArena _arena = new(16 * 4096);

    [Theory]
    [InlineData(1ul, 4096ul)]
    [InlineData(4096ul, 4096ul)]
    [InlineData(4097ul, 8192ul)]
    [InlineData(16 * 4096ul, 16 * 4096ul)]
    public void Sizes_are_rounded_up_to_pages(ulong size, ulong rounded)
    {
        using var host = NewHost();

        var reply = host.Allocate(host.Open(), size);

        Assert.Equal(rounded, reply.ShmSize);
        Assert.NotEqual(0u, reply.ShmId);
        Assert.Equal(0u, reply.ShmOffset % 4096);
        Assert.True(reply.ShmOffset + reply.ShmSize <= _arena.Length);
    }

    [Theory]
    [InlineData(0ul)]
    [InlineData((16 * 4096ul) + 1)]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue - 4094)]
    [InlineData(1ul << 63)]
    public void A_size_of_zero_or_beyond_the_arena_is_refused(ulong size)
    {
        using var host = NewHost();
        var handle = host.Open();

        var reply = host.Config(ConfigOperation.AllocateMemory, handle, size: size);

        Assert.Equal(ConfigError.AllocationFailed, reply.Error);
        Assert.Equal(0u, reply.ShmId);
        host.WaitForUse(1, 0, 0, 0);
        host.Allocate(handle, 16 * 4096);
    }

    [Theory]
    [InlineData(0, 1ul, 4096ul)]
    [InlineData(1, 1ul, 4096ul)]
    [InlineData(12, 1ul, 4096ul)]
    [InlineData(13, 1ul, 8192ul)]
    [InlineData(14, 16385ul, 32768ul)]
    [InlineData(16, 4096ul, 65536ul)]
    public void Offset_and_size_have_the_alignment_that_the_guest_needs(int shift, ulong size, ulong rounded)
    {
        using var host = NewHost();
        var handle = host.Open();
        var small = shift < 16 ? host.Allocate(handle) : default; // so that the lowest place would not do

        var reply = host.Config(Request(handle, size, (uint)shift << 8));

        Assert.Equal((ConfigError.None, rounded, 0u), (reply.Error, reply.ShmSize, reply.ShmOffset % rounded & ((1u << shift) - 1)));
        Assert.True(small.ShmId == 0 || reply.ShmOffset >= 4096);
    }

    [Theory]
    [InlineData(31u << 8)]
    [InlineData(64u << 8)]
    [InlineData(255u << 8)]
    [InlineData(1u)]
    [InlineData(0x80u)]
    [InlineData(12u << 8 | 1)]
    [InlineData(1u << 16)]
    [InlineData(1u << 31)]
    public void An_alignment_that_nobody_needs_and_other_flags_are_bad_requests(uint flags)
    {
        using var host = NewHost();

        var reply = host.Config(Request(host.Open(), 4096, flags));

        Assert.Equal((ConfigError.BadRequest, 0u), (reply.Error, reply.ShmId));
        Assert.NotEqual("", reply.Reason.ToString());
    }

    [Fact]
    public void Only_an_allocation_has_an_alignment()
    {
        using var host = NewHost();
        var handle = host.Open();
        var made = host.Allocate(handle);

        foreach (var operation in Enumerable.Range(0, 7).Select(value => (ConfigOperation)value).Where(each => each != ConfigOperation.AllocateMemory))
        {
            var reply = host.Config(new ConfigMessage { Operation = operation, InstanceHandle = handle, ShmId = made.ShmId, ShmFlags = 12u << 8 });
            Assert.Equal(ConfigError.BadRequest, reply.Error);
        }
    }

    [Fact]
    public void An_object_of_2_MiB_or_more_is_aligned_to_2_MiB_or_refused()
    {
        const ulong Huge = 2 << 20;
        using var host = new TestHost(new ScriptedDevice((in _) => 0), arena: new HeapArena((5 * (int)Huge) - 4096));
        var handle = host.Open();
        host.Allocate(handle);

        Assert.Equal(4096u, host.Allocate(handle, Huge - 4096).ShmOffset);
        Assert.Equal(Huge, host.Allocate(handle, Huge).ShmOffset);
        Assert.Equal((2 * Huge, Huge + 4096), (host.Allocate(handle, Huge + 1) is var odd ? odd.ShmOffset : 0, odd.ShmSize));
        var refused = host.Config(Request(handle, Huge, 0)); // there is room behind it, but at no multiple

        Assert.Equal(ConfigError.AllocationFailed, refused.Error);
        Assert.Equal($"no room: {(2 * Huge) - 8192} bytes are free, {(2 * Huge) - 8192} in one piece", refused.Reason.ToString());
        Assert.Equal((3 * Huge) + 4096, host.Allocate(handle, Huge - 4096).ShmOffset);
    }

    [Fact]
    public void A_full_arena_refuses_until_something_is_freed()
    {
        using var host = NewHost();
        var handle = host.Open();
        var objects = Enumerable.Range(0, 16).Select(_ => host.Allocate(handle)).ToList();
        Assert.Equal(16, objects.Select(made => made.ShmOffset).Distinct().Count());

        Assert.Equal(ConfigError.AllocationFailed, host.Config(ConfigOperation.AllocateMemory, handle, size: 1).Error);
        Free(host, handle, objects[5].ShmId);

        Assert.Equal(objects[5].ShmOffset, host.Allocate(handle).ShmOffset);
    }

    [Fact]
    public void Ids_are_never_used_again()
    {
        using var host = NewHost();
        var handle = host.Open();
        var ids = new HashSet<ulong> { 0 };

        for (var i = 0; i < 100; i++)
        {
            var made = host.Allocate(handle);
            Assert.True(ids.Add(made.ShmId));
            Free(host, handle, made.ShmId);
        }
    }

    [Fact]
    public void Content_is_zero_also_when_the_range_was_used_before()
    {
        using var host = NewHost();
        var handle = host.Open();
        var first = host.Allocate(handle, 8192);
        _arena.GetSpan(first.ShmOffset, 8192).Fill(0xA5);
        Free(host, handle, first.ShmId);

        var second = host.Allocate(handle, 8192);

        Assert.Equal(first.ShmOffset, second.ShmOffset);
        Assert.Equal(new byte[8192], _arena.GetSpan(second.ShmOffset, 8192).ToArray());
        Assert.Equal([(first.ShmOffset, 8192ul)], _arena.Discarded);
    }

    [Fact]
    public void A_range_whose_pages_could_not_be_given_back_is_not_given_out_again()
    {
        using var host = NewHost();
        var handle = host.Open();
        var first = host.Allocate(handle);
        _arena.GetSpan(first.ShmOffset, 4096).Fill(0xA5);
        _arena.DiscardFails = true;
        Free(host, handle, first.ShmId);
        _arena.DiscardFails = false;

        var others = Enumerable.Range(0, 15).Select(_ => host.Allocate(handle).ShmOffset).ToList();

        Assert.DoesNotContain(first.ShmOffset, others);
        Assert.Equal(ConfigError.AllocationFailed, host.Config(ConfigOperation.AllocateMemory, handle, size: 1).Error);
        Assert.Contains(host.Log.Lines, line => line.Contains("stays unused", StringComparison.Ordinal));
    }

    [Fact]
    public void An_object_is_imported_only_after_it_was_exported()
    {
        using var host = NewHost();
        var (owner, other) = (host.Open(), host.Open());
        var made = host.Allocate(owner, 8192);

        Assert.Equal(ConfigError.ImportFailed, host.Config(ConfigOperation.ImportMemory, other, made.ShmId).Error);
        Assert.Equal(ConfigError.None, host.Config(ConfigOperation.ExportMemory, owner, made.ShmId).Error);
        var imported = host.Config(ConfigOperation.ImportMemory, other, made.ShmId);

        Assert.Equal(ConfigError.None, imported.Error);
        Assert.Equal((made.ShmId, made.ShmOffset, made.ShmSize), (imported.ShmId, imported.ShmOffset, imported.ShmSize));
        host.WaitForUse(2, 1, 2, 0);
    }

    [Fact]
    public void Only_who_holds_an_object_may_export_or_free_it()
    {
        using var host = NewHost();
        var (owner, other) = (host.Open(), host.Open());
        var made = host.Allocate(owner);

        Assert.Equal(ConfigError.ExportFailed, host.Config(ConfigOperation.ExportMemory, other, made.ShmId).Error);
        Assert.Equal(ConfigError.FreeFailed, host.Config(ConfigOperation.FreeMemory, other, made.ShmId).Error);
        Assert.Equal(ConfigError.ImportFailed, host.Config(ConfigOperation.ImportMemory, other, made.ShmId).Error);
    }

    [Fact]
    public void One_who_imported_may_export_too_and_a_freed_object_is_no_longer_its_own()
    {
        using var host = NewHost();
        var (owner, other) = (host.Open(), host.Open());
        var made = host.Allocate(owner);
        host.Config(ConfigOperation.ExportMemory, owner, made.ShmId);
        host.Config(ConfigOperation.ImportMemory, other, made.ShmId);

        Assert.Equal(ConfigError.None, host.Config(ConfigOperation.ExportMemory, other, made.ShmId).Error);
        Free(host, owner, made.ShmId);

        Assert.Equal(ConfigError.FreeFailed, host.Config(ConfigOperation.FreeMemory, owner, made.ShmId).Error);
        Assert.Equal(ConfigError.ExportFailed, host.Config(ConfigOperation.ExportMemory, owner, made.ShmId).Error);
        Assert.Equal(ConfigError.None, host.Config(ConfigOperation.ImportMemory, owner, made.ShmId).Error);
    }

    [Fact]
    public void Importing_what_is_held_already_fails_and_changes_nothing()
    {
        using var host = NewHost();
        var owner = host.Open();
        var made = host.Allocate(owner);
        host.Config(ConfigOperation.ExportMemory, owner, made.ShmId);

        Assert.Equal(ConfigError.ImportFailed, host.Config(ConfigOperation.ImportMemory, owner, made.ShmId).Error);

        host.WaitForUse(1, 1, 1, 0);
        Free(host, owner, made.ShmId);
        host.WaitForUse(1, 0, 0, 0);
    }

    [Fact]
    public void An_object_lives_as_long_as_somebody_holds_it()
    {
        using var host = NewHost();
        var (owner, other) = (host.Open(), host.Open());
        var made = host.Allocate(owner);
        host.Config(ConfigOperation.ExportMemory, owner, made.ShmId);
        host.Config(ConfigOperation.ImportMemory, other, made.ShmId);
        _arena.GetSpan(made.ShmOffset, 4096).Fill(0xA5);

        host.Close(owner);
        Assert.Equal(0xA5, _arena.GetSpan(made.ShmOffset, 4096)[0]);
        host.WaitForUse(1, 1, 1, 0);

        Free(host, other, made.ShmId);
        Assert.Equal(0, _arena.GetSpan(made.ShmOffset, 4096)[0]);
        host.WaitForUse(1, 0, 0, 0);
        Assert.Equal(ConfigError.ImportFailed, host.Config(ConfigOperation.ImportMemory, other, made.ShmId).Error);
    }

    [Fact]
    public void The_end_of_an_instance_frees_what_it_holds()
    {
        using var host = NewHost();
        var handle = host.Open();
        host.Allocate(handle, 4096);
        host.Allocate(handle, 12288);

        host.Close(handle);

        host.WaitForUse(0, 0, 0, 0);
        Assert.Equal((2L, 16384L), (host[Counter.ObjectsFreed], host[Counter.BytesFreed]));
        host.Allocate(host.Open(), 16 * 4096);
    }

    [Theory]
    [InlineData(ConfigOperation.AllocateMemory, ConfigError.AllocationFailed)]
    [InlineData(ConfigOperation.FreeMemory, ConfigError.FreeFailed)]
    [InlineData(ConfigOperation.ExportMemory, ConfigError.ExportFailed)]
    [InlineData(ConfigOperation.ImportMemory, ConfigError.ImportFailed)]
    public void An_unknown_instance_or_object_is_refused(ConfigOperation operation, ConfigError error)
    {
        using var host = NewHost();
        var handle = host.Open();
        var made = host.Allocate(handle);

        foreach (var (instance, shmId) in new[] { (0ul, made.ShmId), (handle + 1, made.ShmId), (handle, 0ul), (handle, made.ShmId + 1), (handle, ulong.MaxValue) })
        {
            if (operation != ConfigOperation.AllocateMemory || instance != handle)
            {
                var reply = host.Config(operation, instance, shmId, 4096);
                Assert.Equal((error, operation), (reply.Error, reply.Operation));
            }
        }

        host.WaitForUse(1, 1, 1, 0);
    }

    private static ConfigMessage Request(ulong handle, ulong size, uint flags) =>
        new() { Operation = ConfigOperation.AllocateMemory, InstanceHandle = handle, ShmSize = size, ShmFlags = flags };

    private TestHost NewHost() => new(new ScriptedDevice((in _) => 0), arena: _arena);

    private static void Free(TestHost host, ulong handle, ulong shmId) =>
        Assert.Equal(ConfigError.None, host.Config(ConfigOperation.FreeMemory, handle, shmId).Error);
}
