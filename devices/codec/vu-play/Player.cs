// A file in, pictures out.
using System.Globalization;
using VirtioUser.Codec.Play.Writing;

namespace VirtioUser.Codec.Play;

/// <summary>Decodes a file from its beginning to its end. The decoder always has as many bytes as it takes.</summary>
/// <param name="file">The file.</param>
/// <param name="decoder">The decoder.</param>
/// <param name="writers">What is done with each picture before it is given back.</param>
/// <param name="report">Gets a line for each thing that went wrong in the stream, but not for more than a few.</param>
internal sealed class Player(Stream file, VideoDecoder decoder, IReadOnlyList<IFrameWriter> writers, Action<string> report)
{
    private const int ErrorsReported = 10;

    // Of a file that always has more, before what has come out is looked at.
    private const long FedAtOnce = 4 << 20;

    // While a pipe has nothing, outputs are looked for so often.
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    // Many small reads would cost a guest more than what is read.
    private readonly byte[] _buffer = new byte[256 << 10];
    private int _filled;
    private int _sent;
    private bool _endSent;
    private bool _hasMore;
    private bool _isOver;
    private Task<int>? _reading;

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
                Wait();
                continue;
            }

            if (output.Frame is { } frame)
            {
                Show(frame);
            }
            else if (output.Kind == DecoderOutputKind.Error)
            {
                Note(Describe(output));
                if (output.Error == DecoderError.Unknown)
                {
                    // Nothing more is read of it, and it may have no end.
                    break;
                }

                // The rest is not read, but pictures from before it come.
                _isOver |= output.Error == DecoderError.Input;
            }
            else
            {
                break;
            }
        }

        Summary.End();
        if (Summary is { Frames: 0, Errors: 0 })
        {
            Note("there is no picture in it");
        }

        foreach (var writer in writers)
        {
            writer.Complete(decoder.Stream);
        }

        (Summary.Pings, Summary.Events) = (decoder.PingsSent, decoder.EventsReceived);
        if (Summary.Errors > ErrorsReported)
        {
            report($"{Summary.Errors - ErrorsReported} more errors");
        }
    }

    /// <summary>Says what went wrong, and what to do.</summary>
    internal static string Describe(in DecoderOutput output) => output.Error switch
    {
        DecoderError.NoRoom when MiB(output.BytesNeeded) > CommandLine.MemoryMaximum => Text(
            $"there is no room for a picture, and {CommandLine.MemoryOption} cannot be as much as it takes: it is {MiB(output.BytesThere)} now, {MiB(output.BytesNeeded)} would do"),
        DecoderError.NoRoom when output.BytesNeeded > 0 => Text(
            $"there is no room for a picture: {CommandLine.MemoryOption} {MiB(output.BytesNeeded)} is enough, it is {MiB(output.BytesThere)} now ({output.BytesNeeded} and {output.BytesThere} bytes){Arena(output.BytesNeeded)}"),
        DecoderError.Unknown when output.FourCC == 0 => output.Describe()
            + ". From MP4, MKV and others ffmpeg makes one, without coding anew: ffmpeg -i FILE -c copy CLIP.h264, or CLIP.ivf for VP9 and AV1",
        _ => output.Describe(),
    };

    // Of 1 GiB by itself, with all that guests have in it.
    private static string Arena(ulong bytes) => bytes > 512 << 20 ? "; the daemon's --arena-size must be larger than that" : "";

    private static ulong MiB(ulong bytes) => (bytes + (1 << 20) - 1) >> 20;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private void Feed()
    {
        var end = Summary.Bytes + FedAtOnce;
        while (!_endSent && Summary.Bytes < end)
        {
            if (!_isOver && _sent == _filled && !TryRead())
            {
                return;
            }

            if (_isOver || _filled == 0)
            {
                _endSent = decoder.TrySendEnd();
                return;
            }

            var count = decoder.TrySend(_buffer.AsSpan(_sent, _filled - _sent));
            if (count == 0)
            {
                return;
            }

            _sent += count;
            Summary.Bytes += count;
        }

        _hasMore = !_endSent;
    }

    /// <summary>Reads the next bytes, or the end. Returns false if a pipe has nothing yet.</summary>
    private bool TryRead()
    {
        if (_reading is null && file.CanSeek)
        {
            _filled = file.Read(_buffer);
        }
        else
        {
            _reading ??= file.ReadAsync(_buffer).AsTask();
            if (!_reading.IsCompleted)
            {
                return false;
            }

            _filled = _reading.GetAwaiter().GetResult();
            _reading = null;
        }

        _sent = 0;
        Summary.Begin();
        return true;
    }

    /// <summary>Waits until there may be something to do. A pipe and the decoder cannot be waited for together.</summary>
    private void Wait()
    {
        if (_reading is not null && !_isOver)
        {
            ((IAsyncResult)_reading).AsyncWaitHandle.WaitOne(Look);
        }
        else if (!_hasMore)
        {
            decoder.Wait();
        }

        _hasMore = false;
    }

    private void Show(DecodedFrame frame)
    {
        using (frame)
        {
            if (Summary.Frames == 0)
            {
                (Summary.Width, Summary.Height) = (frame.Width, frame.Height);
            }

            if (frame.IsCorrupt)
            {
                Note("a picture has missing parts");
            }

            foreach (var writer in writers)
            {
                writer.Write(frame, Summary.Frames);
            }
        }

        Summary.Frames++;
    }

    private void Note(string error)
    {
        if (++Summary.Errors <= ErrorsReported)
        {
            report(error);
        }
    }
}
