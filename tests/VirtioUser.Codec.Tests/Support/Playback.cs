// A guest program that decodes.
using VirtioUser.Codec.Play.Writing;
using VirtioUser.Guest;

namespace VirtioUser.Codec.Tests.Support;

/// <summary>Sends packets, always as many as are taken, and notes what comes out.</summary>
internal sealed class Playback
{
    /// <summary>Pictures, as ffmpeg lists them.</summary>
    public IReadOnlyList<string> Pictures { get; private set; } = [];

    public List<DecoderOutput> Errors { get; } = [];

    public int Frames { get; private set; }

    public static VideoDecoder Open(DeviceSource source, VideoCodec codec, int threads = 0, long frameMemory = 16 << 20, long packetMemory = 1 << 20) =>
        VideoDecoder.Open(new(codec) { Threads = threads, FrameMemory = frameMemory, PacketMemory = packetMemory }, source);

    /// <summary>Decodes a clip and lists the pictures.</summary>
    public static Playback Run(VideoDecoder decoder, Sample sample)
    {
        using StringWriter text = new();
        using FrameMd5Writer writer = new(text, sample.TimeBase, sample.HasTimestamps);
        Playback playback = new();
        playback.Run(decoder, sample.Packets, frame => writer.Write(frame, playback.Frames));
        playback.Pictures = Sample.PicturesOf(text.ToString().Split('\n'));
        return playback;
    }

    /// <summary>Sends packets and the end of the stream, and takes all that comes out.</summary>
    public void Run(VideoDecoder decoder, IReadOnlyList<Sample.Packet> packets, Action<DecodedFrame>? look = null)
    {
        var patience = Patience.Token();
        var next = 0;
        while (true)
        {
            while (next <= packets.Count && Send(decoder, packets, next))
                next++;
            if (!decoder.TryTake(out var output))
            {
                decoder.Wait(patience);
                continue;
            }

            if (output.Kind == DecoderOutputKind.End)
                return;
            if (output.Frame is not { } frame)
            {
                Errors.Add(output);
                continue;
            }

            using (frame)
                look?.Invoke(frame);
            Frames++;
        }
    }

    private static bool Send(VideoDecoder decoder, IReadOnlyList<Sample.Packet> packets, int number) =>
        number == packets.Count ? decoder.TrySendEnd() : decoder.TrySend(packets[number].Bytes, packets[number].Timestamp);
}
