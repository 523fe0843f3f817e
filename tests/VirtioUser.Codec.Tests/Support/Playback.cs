// A guest program that decodes.
using VirtioUser.Codec.Play.Writing;
using VirtioUser.Guest;

namespace VirtioUser.Codec.Tests.Support;

/// <summary>Sends a stream, always as much as is taken, and notes what comes out.</summary>
internal sealed class Playback
{
    /// <summary>Pictures, as ffmpeg lists them.</summary>
    public IReadOnlyList<string> Pictures { get; private set; } = [];

    public List<DecoderOutput> Errors { get; } = [];

    public int Frames { get; private set; }

    public static VideoDecoder Open(DeviceSource source, int threads = 0, long frameMemory = 16 << 20, long inputMemory = 1 << 20) =>
        VideoDecoder.Open(new() { Threads = threads, FrameMemory = frameMemory, InputMemory = inputMemory }, source);

    /// <summary>Decodes a clip and lists the pictures.</summary>
    public static Playback Run(VideoDecoder decoder, Sample sample)
    {
        using StringWriter text = new();
        using FrameMd5Writer writer = new(text);
        Playback playback = new();
        playback.Run(decoder, sample.Bytes, frame => writer.Write(frame, playback.Frames));
        playback.Pictures = Sample.PicturesOf(text.ToString().Split('\n'));
        return playback;
    }

    /// <summary>Sends a stream and its end, and takes all that comes out.</summary>
    public void Run(VideoDecoder decoder, ReadOnlySpan<byte> bytes, Action<DecodedFrame>? look = null)
    {
        var patience = Patience.Token();
        var ended = false;
        while (true)
        {
            while (!bytes.IsEmpty && decoder.TrySend(bytes) is var sent and > 0)
            {
                bytes = bytes[sent..];
            }

            ended = ended || (bytes.IsEmpty && decoder.TrySendEnd());
            if (!decoder.TryTake(out var output))
            {
                decoder.Wait(patience);
                continue;
            }

            if (output.Kind == DecoderOutputKind.End)
            {
                return;
            }

            if (output.Frame is not { } frame)
            {
                Errors.Add(output);
                continue;
            }

            using (frame)
            {
                look?.Invoke(frame);
            }

            Frames++;
        }
    }
}
