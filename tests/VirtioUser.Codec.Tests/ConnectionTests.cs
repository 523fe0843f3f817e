// Guests that go away.
using VirtioUser.Codec.Tests.Support;
using VirtioUser.Guest;
using VirtioUser.Vm;

namespace VirtioUser.Codec.Tests;

public sealed class ConnectionTests(CodecDaemon daemon) : IClassFixture<CodecDaemon>
{
    [Theory]
    [InlineData(ClipCodec.H264)]
    [InlineData(ClipCodec.Vp9)]
    [InlineData(ClipCodec.Av1)]
    public async Task A_connection_that_ends_ends_its_decoders_and_what_they_hold(ClipCodec codec)
    {
        var sample = await Sample.GetAsync(codec);
        for (var round = 0; round < 8; round++)
        {
            // Some decode, some wait for pictures that never come back; one has an object that the guest has freed.
            var source = DeviceSource.Daemon(daemon.SocketPath);
            for (var number = 0; number < 4; number++)
            {
                var decoder = RawDecoder.Open(source, threads: (uint)number, framesSize: (ulong)(4 + number) << 16);
                decoder.PutAll(sample);
                decoder.Ring();
                if (number == 3)
                {
                    decoder.Memory.Dispose();
                }
            }

            source.Dispose();

            await daemon.WaitForAsync("virtio_user_instances", 0);
            await daemon.WaitForAsync("virtio_user_memory_bytes", 0);
        }

        using var next = DeviceSource.Daemon(daemon.SocketPath);
        using var good = Playback.Open(next);
        Assert.Equal(await sample.ExpectedAsync(), Playback.Run(good, sample).Pictures);
    }
}
