// Config requests, end to end: each operation and each of its errors.
using FsCheck.Xunit;
using TestDevice.Dependency;
using Virtio.Queues;
using VirtioUser.Daemon.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Tests;

public sealed class ConfigTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    [Fact]
    public void Enumeration_lists_every_device_and_says_the_same_again()
    {
        using var driver = daemon.Boot();

        var first = driver.Ask(ConfigOperation.EnumerateDevices);
        var second = driver.Ask(ConfigOperation.EnumerateDevices);

        Assert.Equal(ConfigOperation.EnumerateDevices, first.Operation);
        Assert.Equal(ConfigError.None, first.Error);
        Assert.Equal(
            ["5655:0001:01", "5655:0002:01", "5655:7e57:01", "5655:7e58:01", "5655:7e59:01", "5655:7e5a:02", "5655:7e5a:03", "5655:7e5a:04", "5655:7e5b:01"],
            Devices(first).Order());
        Assert.Equal(Devices(first), Devices(second));
    }

    [Fact]
    public void The_configuration_space_names_the_enumeration_space()
    {
        using var vm = daemon.Connect();
        var space = new byte[64];

        vm.FrontEnd.ReadConfiguration(space);

        Assert.Equal(77u, BitConverter.ToUInt32(space));
        Assert.NotEqual(0u, BitConverter.ToUInt32(space, 4));
        Assert.All(space[8..], value => Assert.Equal(0, value));
    }

    [Fact]
    public async Task The_configuration_space_tells_one_process_from_another()
    {
        using var folder = new SocketFolder();
        await using var other = await DaemonProcess.ListenAsync(folder.SocketPath, "--device", BuildOutput.TestDevice);

        Assert.Equal(Epoch(daemon.Connect()), Epoch(daemon.Connect()));
        Assert.NotEqual(Epoch(daemon.Connect()), Epoch(TestVm.Connect(folder.SocketPath, new VmOptions())));

        static uint Epoch(TestVm vm)
        {
            using var connected = vm;
            var space = new byte[8];
            connected.FrontEnd.ReadConfiguration(space);
            return BitConverter.ToUInt32(space, 4);
        }
    }

    [Theory]
    [InlineData(TestDevices.Test, 1, ConfigError.None)]
    [InlineData(TestDevices.Test, 2, ConfigError.InstanceCreationFailed)]
    [InlineData(TestDevices.ManyVersions, 1, ConfigError.InstanceCreationFailed)]
    [InlineData(TestDevices.ManyVersions, 3, ConfigError.None)]
    [InlineData(TestDevices.ManyVersions, 5, ConfigError.InstanceCreationFailed)]
    [InlineData(TestDevices.Failing, 1, ConfigError.InstanceCreationFailed)]
    [InlineData(0xBEEF, 1, ConfigError.DeviceInitializationFailed)]
    public void An_instance_is_made_for_a_known_device_and_an_accepted_version(uint device, uint version, ConfigError expected)
    {
        using var driver = daemon.Boot();

        var reply = driver.AskToCreate(device, version);

        Assert.Equal(ConfigOperation.CreateInstance, reply.Operation);
        Assert.Equal(expected, reply.Error);
        Assert.Equal(expected == ConfigError.None, reply.InstanceHandle != 0);
        Assert.Equal(version, reply.Versions[0]);
    }

    [Theory]
    [InlineData("This device makes no instances.")]
    [InlineData("", "--no-reasons")]
    public async Task A_reply_says_why_unless_the_daemon_is_told_not_to(string reason, params string[] arguments)
    {
        using var folder = new SocketFolder();
        await using var own = await DaemonProcess.ListenAsync(folder.SocketPath, [.. arguments, "--device", BuildOutput.TestDevice]);
        using var driver = TestDriver.Boot(folder.SocketPath);

        var reply = driver.AskToCreate(TestDevices.Failing);

        Assert.Equal((ConfigError.InstanceCreationFailed, reason), (reply.Error, reply.Reason.ToString()));
    }

    [Fact]
    public void Another_vendor_is_another_device()
    {
        using var driver = daemon.Boot();

        Assert.Equal(ConfigError.DeviceInitializationFailed, driver.AskToCreate(TestDevices.Test, vendor: TestDevices.Vendor + 1).Error);
    }

    [Fact]
    public void Handles_are_never_used_twice()
    {
        using var driver = daemon.Boot();
        var first = driver.Create();
        driver.Do(ConfigOperation.DestroyInstance, first);

        Assert.NotEqual(first, driver.Create());
    }

    [Fact]
    public void An_instance_is_destroyed_once()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();

        driver.Do(ConfigOperation.DestroyInstance, instance);

        Assert.Equal(ConfigError.InstanceDestructionFailed, driver.Ask(ConfigOperation.DestroyInstance, instance).Error);
        Assert.Equal(ConfigError.InstanceDestructionFailed, driver.Ask(ConfigOperation.DestroyInstance, 0).Error);
    }

    [Fact]
    public void Memory_is_rounded_up_and_lies_inside_the_region()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();

        var small = driver.Allocate(instance, 1);
        var large = driver.Allocate(instance, 8193);

        Assert.Equal(4096u, small.Size);
        Assert.Equal(12288u, large.Size);
        Assert.NotEqual(small.Id, large.Id);
        Assert.All([small, large], shared => Assert.InRange(shared.Offset, 0u, driver.Vm.ArenaLength - shared.Size));
        Assert.True(small.Offset + small.Size <= large.Offset || large.Offset + large.Size <= small.Offset);
    }

    [Theory]
    [InlineData(0)]
    [InlineData((1L << 30) + 1)]
    [InlineData(long.MaxValue)]
    [InlineData(-1)]
    [InlineData(-4095)]
    public void Memory_of_an_impossible_size_is_refused(long size)
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();

        Assert.Equal(ConfigError.AllocationFailed, driver.Ask(ConfigOperation.AllocateMemory, instance, shmSize: (ulong)size).Error);
    }

    [Fact]
    public void The_whole_region_can_be_given_out_once_at_a_time()
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();
        var all = driver.Allocate(instance, driver.Vm.ArenaLength);

        Assert.Equal(ConfigError.AllocationFailed, driver.Ask(ConfigOperation.AllocateMemory, instance, shmSize: 1).Error);
        driver.Do(ConfigOperation.FreeMemory, instance, all.Id);
        Assert.NotEqual(all.Id, driver.Allocate(instance, driver.Vm.ArenaLength).Id);
    }

    [Theory]
    [InlineData(ConfigOperation.AllocateMemory, ConfigError.AllocationFailed)]
    [InlineData(ConfigOperation.FreeMemory, ConfigError.FreeFailed)]
    [InlineData(ConfigOperation.ExportMemory, ConfigError.ExportFailed)]
    [InlineData(ConfigOperation.ImportMemory, ConfigError.ImportFailed)]
    public void Memory_operations_need_an_instance_and_an_object(ConfigOperation operation, ConfigError error)
    {
        using var driver = daemon.Boot();
        var instance = driver.Create();

        Assert.Equal(error, driver.Ask(operation, instance + 1000, 1, 4096).Error);
        if (operation != ConfigOperation.AllocateMemory)
        {
            Assert.Equal(error, driver.Ask(operation, instance, ulong.MaxValue).Error);
            Assert.Equal(error, driver.Ask(operation, instance, 0).Error);
        }
    }

    [Fact]
    public void Memory_of_another_instance_can_be_neither_freed_nor_exported_nor_pinged()
    {
        using var driver = daemon.Boot();
        var (owner, stranger) = (driver.Create(), driver.Create());
        var shared = driver.Allocate(owner, 4096);

        Assert.Equal(ConfigError.FreeFailed, driver.Ask(ConfigOperation.FreeMemory, stranger, shared.Id).Error);
        Assert.Equal(ConfigError.ExportFailed, driver.Ask(ConfigOperation.ExportMemory, stranger, shared.Id).Error);
        Assert.Equal(ConfigError.ImportFailed, driver.Ask(ConfigOperation.ImportMemory, stranger, shared.Id).Error);
        Assert.Equal(Revents.Refused, driver.Call(stranger, TestOperation.Length, shared: shared));
        Assert.Equal(4096u, driver.Call(owner, TestOperation.Length, shared: shared));
    }

    [Fact]
    public void An_imported_object_outlives_the_instance_that_made_it()
    {
        using var driver = daemon.Boot();
        var (owner, friend) = (driver.Create(), driver.Create(TestDevices.Second));
        var shared = driver.Allocate(owner, 8192);
        Pattern.Fill(driver.Bytes(shared), 5);
        driver.Do(ConfigOperation.ExportMemory, owner, shared.Id);

        var imported = driver.Ask(ConfigOperation.ImportMemory, friend, shared.Id);
        driver.Do(ConfigOperation.DestroyInstance, owner);

        Assert.Equal((ConfigError.None, shared.Id, shared.Offset, shared.Size), (imported.Error, imported.ShmId, imported.ShmOffset, imported.ShmSize));
        Assert.Equal(Pattern.Checksum(driver.Bytes(shared)), driver.Call(friend, TestOperation.Checksum, shared: shared));
        driver.Do(ConfigOperation.FreeMemory, friend, shared.Id);
        Assert.Equal(ConfigError.ImportFailed, driver.Ask(ConfigOperation.ImportMemory, friend, shared.Id).Error);
    }

    [Theory]
    [InlineData(7u, 0u)]
    [InlineData(uint.MaxValue, 0u)]
    [InlineData(0u, 1u)]
    [InlineData(3u, 0x8000_0000u)]
    public void Unknown_operations_and_reserved_flags_are_bad_requests(uint operation, uint flags)
    {
        using var driver = daemon.Boot();

        var reply = driver.Ask(new ConfigMessage { Operation = (ConfigOperation)operation, ShmFlags = flags, ShmSize = 4096 });

        Assert.Equal(ConfigError.BadRequest, reply.Error);
        Assert.Equal((ConfigOperation)operation, reply.Operation);
    }

    [Property(MaxTest = 10)]
    public void A_request_of_another_length_is_a_bad_request(ushort[] lengths)
    {
        using var driver = daemon.Boot();
        foreach (var length in lengths.Select(length => length % 513).Where(length => length is > 0 and not ConfigMessage.Size))
        {
            var request = new byte[length];
            request[0] = 3;

            var reply = driver.Ask(request);

            Assert.Equal(ConfigError.BadRequest, reply.Error);
            Assert.Equal(length < 4 ? 0u : 3u, (uint)reply.Operation);
        }
    }

    [Fact]
    public void A_request_in_pieces_is_the_same_request()
    {
        using var driver = daemon.Boot();
        var request = new ConfigMessage { Operation = ConfigOperation.CreateInstance };
        request.FirstDevice = new DeviceIdentity(TestDevices.Vendor, TestDevices.Test, 1);
        var buffer = new GuestBuffer(driver.Vm.Ram.Take(ConfigMessage.Size), ConfigMessage.Size);
        request.Write(driver.Vm.Ram.GetSpan(buffer));

        driver.Vm.ConfigReplies.TryPost();
        driver.Vm.ConfigRequests.SendChain([buffer with { Length = 1 }, new(buffer.Address + 1, 7), new(buffer.Address + 8, ConfigMessage.Size - 8)], []);

        Assert.Equal(ConfigError.None, driver.TakeReply().Error);
    }

    [Fact]
    public void A_request_without_a_single_readable_byte_is_a_bad_request()
    {
        using var driver = daemon.Boot();

        driver.Vm.ConfigReplies.TryPost();
        driver.Vm.ConfigRequests.TryPost();

        Assert.Equal(ConfigError.BadRequest, driver.TakeReply().Error);
    }

    [Fact]
    public void Reply_buffers_that_are_too_small_come_back_unused()
    {
        using var driver = daemon.Boot();
        driver.Vm.ConfigReplies.TryPost(ConfigMessage.Size - 1);
        driver.Vm.ConfigReplies.TryPost(1);

        var request = new byte[ConfigMessage.Size];
        driver.Vm.ConfigRequests.TrySend(request);
        driver.Vm.ConfigReplies.Receive(out var first, "a small reply buffer");
        Assert.Equal(0, first.Length);
        driver.Vm.ConfigReplies.Receive(out var second, "another small reply buffer");
        Assert.Equal(0, second.Length);
        driver.Vm.ConfigReplies.TryPost();

        Assert.Equal(9u, driver.TakeReply().DeviceCount);
    }

    [Fact]
    public void Requests_without_reply_buffers_wait_for_them_and_keep_their_order()
    {
        using var driver = daemon.Boot();
        for (var i = 0u; i < 8; i++)
        {
            var request = new byte[ConfigMessage.Size];
            request[0] = (byte)(100 + i); // no such operation; the reply repeats it
            driver.Vm.ConfigRequests.TrySend(request);
        }

        for (var i = 0u; i < 8; i++)
        {
            driver.Vm.ConfigReplies.TryPost();
            Assert.Equal(100 + i, (uint)driver.TakeReply().Operation);
        }
    }

    private static List<string> Devices(ConfigMessage reply)
    {
        var devices = new List<string>();
        for (var i = 0; i < reply.DeviceCount; i++)
        {
            devices.Add(new DeviceIdentity(reply.Vendors[i], reply.Devices[i], reply.Versions[i]).ToString());
        }

        return devices;
    }
}
