// The guest's ends of the rings, and who wakes whom.
using VirtioUser.Codec.UnitTests.Support;
using VirtioUser.Guest;

namespace VirtioUser.Codec.UnitTests;

public sealed class VideoDecoderTests
{
    [Fact]
    public void Bytes_are_in_the_data_area_when_the_device_sees_them()
    {
        using ScriptedDevice device = new();
        Assert.Equal(3, device.Decoder.TrySend([1, 2, 3]));
        Assert.Equal(2, device.Decoder.TrySend([4, 5]));
        Assert.True(device.Decoder.TrySendEnd());

        Assert.Equal(3u, device.Word(Protocol.ChunksWritten));
        var first = device.Chunk(0);
        Assert.Equal([1, 2, 3], device.Bytes(first.Offset, (int)first.Size).ToArray());
        var second = device.Chunk(1);
        Assert.Equal([4, 5], device.Bytes(second.Offset, (int)second.Size).ToArray());
        Assert.Equal((0u, Protocol.ChunkEnd), (device.Chunk(2).Size, device.Chunk(2).Flags));
    }

    [Fact]
    public void What_finds_no_room_is_sent_once_the_device_has_taken_older_bytes()
    {
        using ScriptedDevice device = new();
        Assert.Equal(4000, device.Decoder.TrySend(new byte[4000]));
        Assert.Equal(96, device.Decoder.TrySend(new byte[97]));
        Assert.Equal(0, device.Decoder.TrySend(new byte[1]));
        device.Word(Protocol.ChunksTaken) = 1;
        Assert.Equal(97, device.Decoder.TrySend(new byte[97]));
    }

    [Fact]
    public void Nothing_is_refused_as_input()
    {
        using ScriptedDevice device = new();
        Assert.Throws<ArgumentException>(() => device.Decoder.TrySend([]));
    }

    [Fact]
    public void What_the_stream_is_comes_with_its_pictures()
    {
        using ScriptedDevice device = new();
        var first = device.Pass(device.SmallFrame with { Timestamp = 3, Duration = 1 }).Frame!;
        device.PutStream((1, 90000), (30000, 1001), (4, 3));
        var second = device.Pass(device.SmallFrame with { Token = 1, Timestamp = Protocol.NoTime }).Frame!;

        Assert.Equal(((1u, 25u), (25u, 1u), 3L, 1L), (first.Stream.TimeBase, first.Stream.FrameRate, first.Timestamp!.Value, first.Duration));
        Assert.Equal(((1u, 90000u), (30000u, 1001u), (4u, 3u)), (second.Stream.TimeBase, second.Stream.FrameRate, second.Stream.SampleAspect));
        Assert.Null(second.Timestamp);
        Assert.Same(second.Stream, device.Decoder.Stream);
    }

    [Fact]
    public void A_wait_that_is_given_up_does_not_leave_the_device_in_the_belief_that_the_program_sleeps()
    {
        using ScriptedDevice device = new();
        using CancellationTokenSource cancellation = new();
        cancellation.CancelAfter(TimeSpan.FromMilliseconds(1));
        Assert.ThrowsAny<OperationCanceledException>(() => device.Decoder.Take(cancellation.Token));
        Assert.Equal(0u, device.Word(Protocol.GuestWants));
    }

    [Fact]
    public void The_samples_of_a_picture_are_those_of_the_shared_memory()
    {
        using ScriptedDevice device = new();
        device.Bytes(device.FramesOffset + 16, 8).Fill(77);
        using var frame = device.Pass(device.SmallFrame).Frame!;
        Assert.Equal(Enumerable.Repeat((byte)77, 8), frame.GetRow(0, 1).ToArray());
        device.Bytes(device.FramesOffset + 16, 8).Fill(78);
        Assert.Equal(Enumerable.Repeat((byte)78, 8), frame.GetRow(0, 1).ToArray());
        Assert.Equal((4, 3), (frame.PlaneWidth(2), frame.PlaneHeight(2)));
        Assert.Equal((2 * 16) + 4, frame.GetPlane(1).Length);
    }

    [Fact]
    public void A_picture_that_is_disposed_goes_back_once_and_cannot_be_read_any_more()
    {
        using ScriptedDevice device = new();
        var frame = device.Pass(device.SmallFrame with { Token = 9 }).Frame!;
        Assert.Equal(0u, device.Word(Protocol.ReturnsWritten));
        frame.Dispose();
        frame.Dispose();
        Assert.Equal(1u, device.Word(Protocol.ReturnsWritten));
        Assert.Equal(9u, device.Returned(0));
        Assert.Throws<ObjectDisposedException>(() => frame.GetRow(0, 0).Length);
        Assert.Throws<ObjectDisposedException>(() => frame.GetPlane(0).Length);
    }

    [Fact]
    public void Pictures_outlive_their_decoder_only_as_objects()
    {
        ScriptedDevice device = new();
        var frame = device.Pass(device.SmallFrame).Frame!;
        device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => frame.GetRow(0, 0).Length);
        frame.Dispose();
    }

    [Fact]
    public void A_token_can_be_out_again_after_it_was_returned()
    {
        using ScriptedDevice device = new();
        for (var i = 0; i < 200; i++)
        {
            device.Pass(device.SmallFrame with { Token = 63, Timestamp = i }).Frame!.Dispose();
        }

        Assert.Equal(200u, device.Word(Protocol.ReturnsWritten));
        Assert.Equal(201u, device.Word(Protocol.OutputsTaken));
    }

    [Fact]
    public void An_error_and_the_end_are_outputs()
    {
        using ScriptedDevice device = new();
        var error = device.Pass(new() { Type = Protocol.OutputError, Error = (uint)DecoderError.NoRoom, Needed = 12345 });
        Assert.Equal((DecoderOutputKind.Error, DecoderError.NoRoom, 12345ul, 65536ul), (error.Kind, error.Error, error.BytesNeeded, error.BytesThere));
        Assert.Contains("there are 65536 bytes for pictures, 12345 would do", error.Describe(), StringComparison.Ordinal);
        Assert.Equal(DecoderOutputKind.End, device.Pass(new() { Type = Protocol.OutputEnd }).Kind);
    }

    [Fact]
    public void A_device_that_sleeps_gets_one_doorbell_for_several_chunks_and_one_that_works_gets_none()
    {
        using ScriptedDevice device = new();
        Assert.Equal(1, device.Decoder.TrySend([1]));
        Assert.False(device.Decoder.TryTake(out _));
        Assert.Empty(device.Channel.Pings);

        device.Word(Protocol.DeviceWaits) = 1;
        Assert.Equal(1, device.Decoder.TrySend([1]));
        Assert.Equal(1, device.Decoder.TrySend([1]));
        Assert.False(device.Decoder.TryTake(out _));
        Assert.Equal(1, device.Decoder.TrySend([1]));
        Assert.False(device.Decoder.TryTake(out _));
        Assert.Equal([Protocol.Doorbell], device.Channel.Pings.Select(ping => ping.Metadata));
        Assert.Equal(0u, device.Word(Protocol.DeviceWaits));
    }

    [Fact]
    public void A_device_that_sleeps_hears_of_many_chunks_before_the_program_looks_for_outputs()
    {
        using ScriptedDevice device = new();
        device.Word(Protocol.DeviceWaits) = 1;
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(1, device.Decoder.TrySend([1]));
        }

        Assert.Single(device.Channel.Pings);
    }

    [Fact]
    public async Task Waiting_says_what_it_is_for_and_ends_with_an_event()
    {
        var cancellation = TestContext.Current.CancellationToken;
        using ScriptedDevice device = new();
        var taken = Task.Run(() => device.Decoder.Take(cancellation), cancellation);
        while (Volatile.Read(ref device.Word(Protocol.GuestWants)) == 0)
        {
            await Task.Yield();
        }

        Assert.Equal(Protocol.EventOutput, device.Word(Protocol.GuestWants));
        Assert.Equal(9u, device.Word(Protocol.OutputsAt)); // one was taken before
        device.Put(new() { Type = Protocol.OutputEnd });
        Interlocked.Exchange(ref device.Word(Protocol.GuestWants), 0);
        device.Raise(Protocol.EventOutput);
        Assert.Equal(DecoderOutputKind.End, (await taken).Kind);
        Assert.Equal(1, device.Decoder.EventsReceived);
    }

    [Fact]
    public async Task Sending_waits_for_room_and_wants_to_hear_of_half_of_it()
    {
        var cancellation = TestContext.Current.CancellationToken;
        using ScriptedDevice device = new();
        for (var i = 0; i < 64; i++)
        {
            Assert.Equal(1, device.Decoder.TrySend([1]));
        }

        var sent = Task.Run(() => device.Decoder.Send([2], cancellation), cancellation);
        while (Volatile.Read(ref device.Word(Protocol.GuestWants)) == 0)
        {
            await Task.Yield();
        }

        Assert.Equal(Protocol.EventOutput | Protocol.EventSpace, device.Word(Protocol.GuestWants));
        Assert.Equal(32u, device.Word(Protocol.ChunksAt));
        Volatile.Write(ref device.Word(Protocol.ChunksTaken), 32);
        device.Raise(Protocol.EventSpace);
        Assert.Equal(1, await sent);
    }

    [Fact]
    public void Sending_does_not_wait_where_only_taking_pictures_makes_room()
    {
        using ScriptedDevice device = new();
        Assert.Equal(4096, device.Decoder.TrySend(new byte[4096]));
        device.Put(device.SmallFrame);
        Assert.Equal(0, device.Decoder.Send([2], TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Waiting_does_not_sleep_if_something_is_there()
    {
        using ScriptedDevice device = new();
        device.Put(new() { Type = Protocol.OutputEnd });
        device.Decoder.Wait(TestContext.Current.CancellationToken);
        Assert.Equal(0u, device.Word(Protocol.GuestWants));
        Assert.Equal(0, device.Decoder.EventsReceived);
    }

    [Fact]
    public void Lost_events_are_no_failure()
    {
        using ScriptedDevice device = new();
        device.Channel.LoseEvents();
        device.Decoder.Wait(TestContext.Current.CancellationToken);
        Assert.False(device.Decoder.TryTake(out _));
    }

    [Fact]
    public void A_device_that_goes_away_ends_the_wait()
    {
        using ScriptedDevice device = new();
        device.Channel.Fail(Virtio.Linux.Errno.ENODEV);
        Assert.Equal(Virtio.Linux.Errno.ENODEV, Assert.Throws<VirtioUserException>(() => device.Decoder.Take(TestContext.Current.CancellationToken)).Errno);
    }

    [Fact]
    public async Task A_device_that_refuses_to_decode_is_named_with_its_reason()
    {
        using Guest.UnitTests.FakeChannel channel = new();
        var opened = Task.Run(() => new VideoDecoder(new VirtioUserDevice(channel), new()), TestContext.Current.CancellationToken);
        await channel.Sent.WaitAsync(TestContext.Current.CancellationToken);

        // Added to the metadata, which is 1: CODEC_OPEN_ALREADY.
        channel.Answer(1, bits: 4);
        Assert.Contains("(answer 5)", (await Assert.ThrowsAsync<VideoDecoderException>(() => opened)).Message, StringComparison.Ordinal);
    }
}
