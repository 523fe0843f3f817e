// Packets in, pictures out.
using VirtioUser.Codec.Play.Reading;
using VirtioUser.Codec.Play.Writing;

namespace VirtioUser.Codec.Play;

/// <summary>Decodes a file from its beginning to its end. The decoder always has as many packets as it takes.</summary>
/// <param name="reader">The file.</param>
/// <param name="decoder">The decoder.</param>
/// <param name="writers">What is done with each picture before it is given back.</param>
/// <param name="report">Gets a line for each thing that went wrong in the stream, but not for more than a few.</param>
internal sealed class Player(VideoReader reader, VideoDecoder decoder, IReadOnlyList<IFrameWriter> writers, Action<string> report)
{
    private const int ErrorsReported = 10;

    // A packet was read and found no room yet.
    private bool _packetWaits;
    private bool _fileEnded;
    private bool _endSent;

    /// <summary>What has happened so far.</summary>
    public Summary Summary { get; } = new();

    /// <summary>Decodes it all.</summary>
    public void Run()
    {
        while (true)
        {
            Feed();
            if (!decoder.TryTake(out var output))
            {
                decoder.Wait();
                continue;
            }

            if (output.Frame is { } frame)
                Show(frame);
            else if (output.Kind == DecoderOutputKind.Error)
                Note(Describe(output));
            else
                break;
        }

        Summary.End();
        if (Summary is { Frames: 0, Errors: 0 })
            Note("there is no picture in it");
        foreach (var writer in writers)
            writer.Complete();
        (Summary.Pings, Summary.Events) = (decoder.PingsSent, decoder.EventsReceived);
        if (Summary.Errors > ErrorsReported)
            report($"{Summary.Errors - ErrorsReported} more errors");
    }

    private static string Describe(in DecoderOutput output) => output.Error switch
    {
        DecoderError.Corrupt => "a packet can not be decoded",
        DecoderError.NoRoom when output.BytesNeeded == 0 => "there is no room for pictures of this size: give more --memory",
        DecoderError.NoRoom => $"there is no room for a picture of {output.BytesNeeded} bytes beside those that the decoder needs: give more --memory",
        DecoderError.Format => "pictures are of a kind that the device can not hand over",
        DecoderError.Host => "the host's decoder failed",
        _ => $"error {(int)output.Error} of the device",
    };

    private void Feed()
    {
        while (!_endSent)
        {
            if (!_packetWaits && !_fileEnded)
                Read();
            if (_packetWaits)
            {
                Summary.Begin();
                if (!decoder.TrySend(reader.Packet, reader.Timestamp))
                    return;
                _packetWaits = false;
                Summary.Packets++;
                Summary.PacketBytes += reader.Packet.Length;
            }
            else if (decoder.TrySendEnd())
            {
                _endSent = true;
            }
            else
            {
                return;
            }
        }
    }

    private void Read()
    {
        try
        {
            _packetWaits = reader.TryRead();
        }
        catch (VideoFileException e)
        {
            // What was read before is decoded all the same.
            Note(e.Message);
        }

        _fileEnded = !_packetWaits;
    }

    private void Show(DecodedFrame frame)
    {
        using (frame)
        {
            if (Summary.Frames == 0)
                (Summary.Width, Summary.Height) = (frame.Width, frame.Height);
            if (frame.IsCorrupt)
                Note("a picture has missing parts");
            foreach (var writer in writers)
                writer.Write(frame, Summary.Frames);
        }

        Summary.Frames++;
    }

    private void Note(string error)
    {
        if (++Summary.Errors <= ErrorsReported)
            report(error);
    }
}
