// Driving a device without a VM: one that works, and back-ends that want the worst.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class RemoteDeviceTests
{
    private const string Close = "close", Silence = "silence", OtherRequest = "other request", NoReply = "no reply", Short = "short", Long = "long",
        TooLong = "too long", OtherVersion = "other version", Refusal = "refusal";

    private static readonly FrontEndRequest[] Asked =
    [
        FrontEndRequest.GetFeatures, FrontEndRequest.GetProtocolFeatures, FrontEndRequest.GetQueueNum, FrontEndRequest.GetSharedMemoryConfig,
        FrontEndRequest.GetConfig, FrontEndRequest.GetVringBase,
    ];

    private static readonly FrontEndRequest[] Told =
    [
        FrontEndRequest.SetOwner, FrontEndRequest.SetBackEndRequestDescriptor, FrontEndRequest.SetFeatures, FrontEndRequest.SetMemoryTable,
        FrontEndRequest.SetVringNum, FrontEndRequest.SetVringBase, FrontEndRequest.SetVringAddr, FrontEndRequest.SetVringKick,
        FrontEndRequest.SetVringCall, FrontEndRequest.SetVringEnable,
    ];

    public static TheoryData<string, FrontEndRequest> Wrongs =>
        [.. from request in Asked.Concat(Told)
            from wrong in new[] { Close, Silence, OtherRequest, NoReply, Short, Long, TooLong, OtherVersion, Refusal }
            where (wrong != Refusal || Told.Contains(request)) && (wrong != Long || request != FrontEndRequest.GetSharedMemoryConfig)
            select new TheoryDataRow<string, FrontEndRequest>(wrong, request)];

    [Fact]
    public void A_device_is_driven_through_its_whole_life_and_nothing_is_left()
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            using var backEnd = new ScriptedBackEnd();
            using var device = Live(backEnd);
            Assert.Equal(2, device.QueueCount);
            Assert.Equal([ScriptedBackEnd.RegionLength], device.SharedMemorySizes);
            Assert.False(device.IsGone);
        });
    }

    [Theory]
    [MemberData(nameof(Wrongs))]
    public void Whatever_a_back_end_answers_is_a_clear_exception_and_nothing_is_left(string wrong, FrontEndRequest to)
    {
        ProcessResources.AssertNothingLeaks(() =>
        {
            using var backEnd = new ScriptedBackEnd((raw, message) => message.Request == (uint)to && TryAnswerWrongly(raw, message, wrong));
            var said = Assert.Throws<VhostUserException>(() => Live(backEnd, wrong == Silence ? 100 : Connection.Patience).Dispose());
            Assert.NotEmpty(said.Message);
        });
    }

    [Fact]
    public void A_back_end_that_goes_while_nobody_asks_is_noticed()
    {
        using var backEnd = new ScriptedBackEnd((_, message) => message.Request == (uint)FrontEndRequest.GetConfig ? throw new EndOfStreamException() : false);
        using var device = RemoteDevice.Connect(backEnd.SocketPath, Options);
        Assert.Throws<VhostUserException>(() => device.ReadConfiguration(new byte[4]));

        using var poll = new EventPoll();
        poll.Add(device.Connection, 0, PollEvents.None);
        Assert.Equal(1, poll.Wait(new ReadyDescriptor[1], Connection.Patience));
        Assert.True(device.IsGone);
        Assert.Throws<VhostUserException>(() => device.Start(16, 16));
    }

    [Fact]
    public void What_is_mapped_is_seen_and_listed_and_can_be_taken_away_again()
    {
        using var backEnd = new ScriptedBackEnd();
        using var file = MemFd.Create("region", 8192);
        using var theirs = Mapping.Map(file, 0, 8192);
        using var device = RemoteDevice.Connect(backEnd.SocketPath, Options);
        device.Start(16, 16);
        Assert.Null(device.TryMapSharedMemory(0, 4096, 4096));

        Assert.True(backEnd.Map(0, 4096, 65536, 4096, 1, file));
        theirs.GetSpan(4096, 1)[0] = 3;
        using var mine = device.TryMapSharedMemory(0, 65536, 4096)!;
        Assert.Equal(3, mine.GetSpan(0, 1)[0]);
        Assert.Null(device.TryMapSharedMemory(0, 65536, 8192));
        Assert.Null(device.TryMapSharedMemory(0, 61440, 8192));
        Assert.Null(device.TryMapSharedMemory(0, ulong.MaxValue, 2));
        Assert.Null(device.TryMapSharedMemory(1, 65536, 4096));

        Assert.False(backEnd.Unmap(0, 65536, 8192));
        Assert.True(backEnd.Unmap(0, 65536, 4096));
        Assert.Null(device.TryMapSharedMemory(0, 65536, 4096));
        Assert.Equal(3, mine.GetSpan(0, 1)[0]);
        // A request that is answered comes after the table of the one before.
        Assert.False(backEnd.Unmap(0, 0, 4096));
        Assert.Equal([1u, 2, 1], backEnd.MemoryTables);
    }

    [Fact]
    public void Memory_that_may_only_be_read_is_not_given_for_writing()
    {
        using var backEnd = new ScriptedBackEnd();
        using var file = MemFd.Create("region", 4096);
        using var device = RemoteDevice.Connect(backEnd.SocketPath, Options);
        Assert.True(backEnd.Map(0, 0, 0, 4096, 0, file));

        Assert.Equal(Errno.EACCES, Assert.Throws<LinuxException>(() => device.TryMapSharedMemory(0, 0, 4096)).Errno);
        using var read = device.TryMapSharedMemory(0, 0, 4096, MapAccess.Read)!;
        Assert.Equal(0, read.GetSpan(0, 1)[0]);
    }

    [Fact]
    public void What_must_not_be_mapped_is_refused()
    {
        using var backEnd = new ScriptedBackEnd();
        using FileDescriptor file = MemFd.Create("region", 1 << 16), open = MemFd.Create("open", 4096, Seals.Grow);
        using var eventFd = EventFd.Create();
        using var device = RemoteDevice.Connect(backEnd.SocketPath, Options);
        Assert.False(backEnd.Map(0, 0, 0, 4096, 1, open)); // could be shrunk
        Assert.False(backEnd.Map(0, 0, 0, 4096, 1, eventFd.Descriptor)); // no memory
        Assert.False(backEnd.Map(0, 0, 0, 4096, 1)); // no file
        Assert.False(backEnd.Map(0, 0, 0, 4096, 1, file, file)); // two files
        Assert.False(backEnd.Map(1, 0, 0, 4096, 1, file)); // no such region
        Assert.False(backEnd.Map(255, 0, 0, 4096, 1, file));
        Assert.False(backEnd.Map(0, 0, ScriptedBackEnd.RegionLength, 4096, 1, file)); // beyond the region
        Assert.False(backEnd.Map(0, 0, ulong.MaxValue - 4095, 4096, 1, file));
        Assert.False(backEnd.Map(0, 1 << 16, 0, 4096, 1, file)); // beyond the file
        Assert.False(backEnd.Map(0, ulong.MaxValue - 4095, 0, 8192, 1, file));
        Assert.False(backEnd.Map(0, 0, 0, ulong.MaxValue - 4095, 1, file));
        Assert.False(backEnd.Map(0, 1, 0, 4096, 1, file)); // no whole pages
        Assert.False(backEnd.Map(0, 0, 1, 4096, 1, file));
        Assert.False(backEnd.Map(0, 0, 0, 1, 1, file));
        Assert.False(backEnd.Map(0, 0, 0, 0, 1, file));
        Assert.False(backEnd.Unmap(0, 0, 4096)); // nothing is there
        Assert.False(backEnd.Ask(BackEndRequest.SharedMemoryMap, new byte[39], file));
        Assert.False(backEnd.Ask((BackEndRequest)99, [], file));
        Assert.True(backEnd.Map(0, 0, 8192, 8192, 1, file));
        Assert.False(backEnd.Map(0, 0, 8192, 8192, 1, file)); // over what is mapped
        Assert.False(backEnd.Map(0, 0, 4096, 8192, 1, file));
        Assert.False(backEnd.Map(0, 0, 12288, 8192, 1, file));
        for (ulong part = 1; part < 7; part++)
        {
            Assert.True(backEnd.Map(0, 0, part << 16, 4096, 1, file));
        }

        Assert.False(backEnd.Map(0, 0, 8 << 16, 4096, 1, file)); // more than a memory table can list

        device.Start(16, 16);
        device.Stop();
    }

    [Fact]
    public void Garbage_on_the_back_end_s_channel_ends_the_channel_alone()
    {
        using var backEnd = new ScriptedBackEnd();
        using var device = RemoteDevice.Connect(backEnd.SocketPath, Options);
        backEnd.Channel.Send([.. Enumerable.Repeat((byte)0xFF, 100)]);
        Assert.Null(new RawFrontEnd(backEnd.Channel).Receive());

        device.Start(16, 16);
        device.ReadConfiguration(new byte[4]);
        device.Stop();
    }

    private static RemoteDeviceOptions Options => new() { Patience = TimeSpan.FromMilliseconds(Connection.Patience) };

    /// <summary>Uses every message that there is.</summary>
    private static RemoteDevice Live(ScriptedBackEnd backEnd, int patience = Connection.Patience)
    {
        var device = RemoteDevice.Connect(backEnd.SocketPath, new RemoteDeviceOptions { Patience = TimeSpan.FromMilliseconds(patience) });
        try
        {
            device.Start(16, 16);
            device.ReadConfiguration(new byte[4]);
            device.Stop();
            return device;
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    private static bool TryAnswerWrongly(RawFrontEnd raw, RawMessage message, string wrong)
    {
        switch (wrong)
        {
            case Close:
                throw new EndOfStreamException();
            case Silence:
                return true;
            case OtherRequest:
                raw.Send(message.Request + 1, RawFrontEnd.Reply, new byte[8]);
                return true;
            case NoReply:
                raw.Send(message.Request, RawFrontEnd.Version, new byte[8]);
                return true;
            case Short:
                raw.Send(message.Request, RawFrontEnd.Reply, new byte[7]);
                return true;
            case Long:
                raw.Send(message.Request, RawFrontEnd.Reply, new byte[400]);
                return true;
            case TooLong:
                raw.Send(message.Request, RawFrontEnd.Reply, new byte[5000]);
                return true;
            case OtherVersion:
                raw.Send(message.Request, 4 | 2, new byte[8]);
                return true;
            default:
                raw.Send(message.Request, RawFrontEnd.Reply, BitConverter.GetBytes(1UL));
                return true;
        }
    }
}
