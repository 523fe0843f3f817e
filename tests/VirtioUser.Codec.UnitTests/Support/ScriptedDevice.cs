// The device's side of the shared memory, written by the test: for what a real device does not do.
using System.Runtime.InteropServices;
using Virtio.Linux;
using VirtioUser.Guest;
using VirtioUser.Guest.Channels;
using VirtioUser.Guest.UnitTests;
using VirtioUser.Protocol;

namespace VirtioUser.Codec.UnitTests.Support;

/// <summary>A decoder whose device accepts everything and does only what the test says.</summary>
internal sealed class ScriptedDevice : IDisposable
{
    private readonly Mapping _memory;
    private uint _outputsWritten;

    public ScriptedDevice(VideoDecoderOptions? options = null, bool tellsStream = true)
    {
        options ??= new() { InputMemory = 4096, FrameMemory = 64 << 10 };

        // CODEC_OPEN is 1, and so is CODEC_OK.
        Channel = new FakeChannel { InCall = _ => PingOutcome.Answered };
        Decoder = new VideoDecoder(new VirtioUserDevice(Channel), options);
        FramesOffset = (ulong)(Protocol.Areas + options.InputMemory);
        FramesSize = (ulong)options.FrameMemory;
        _memory = Channel.Map(new ObjectDescription(1, 0, FramesOffset + FramesSize));
        if (tellsStream)
        {
            PutStream((1, 25), (25, 1), (1, 1));
            Decoder.TryTake(out _);
        }
    }

    public FakeChannel Channel { get; }

    public VideoDecoder Decoder { get; }

    public ulong FramesOffset { get; }

    public ulong FramesSize { get; }

    /// <summary>An output of a picture of 8 x 6 samples, 4:2:0, at the beginning of the area.</summary>
    public OutputEntry SmallFrame
    {
        get
        {
            OutputEntry entry = new()
            {
                Type = Protocol.OutputFrame,
                Width = 8,
                Height = 6,
                Planes = 3,
                Bits = 8,
                ChromaShiftX = 1,
                ChromaShiftY = 1,
                Matrix = 6,
            };
            for (var plane = 0; plane < entry.Planes; plane++)
            {
                entry.Stride[plane] = 16;
                entry.Plane[plane] = FramesOffset + (ulong)(plane * 128);
            }

            return entry;
        }
    }

    /// <summary>All bytes, as the device sees them.</summary>
    public Span<byte> Bytes(ulong offset, int length) => _memory.GetSpan(offset, length);

    public ref uint Word(int offset) => ref MemoryMarshal.AsRef<uint>(_memory.GetSpan((ulong)offset, sizeof(uint)));

    public ChunkEntry Chunk(int index) => MemoryMarshal.Read<ChunkEntry>(_memory.GetSpan((ulong)(Protocol.Chunks + (index * ChunkEntry.Length)), ChunkEntry.Length));

    public uint Returned(int index) => MemoryMarshal.Read<uint>(_memory.GetSpan((ulong)(Protocol.Returns + (index * sizeof(uint))), sizeof(uint)));

    public void Put(in OutputEntry output) => Put(MemoryMarshal.AsBytes([output]));

    /// <summary>Puts an output that tells what the stream is: H.264 of 8 x 6 samples.</summary>
    public void PutStream((uint Numerator, uint Denominator) timeBase, (uint Numerator, uint Denominator) rate, (uint Numerator, uint Denominator) aspect)
    {
        var entry = new uint[OutputEntry.Length / sizeof(uint)];
        uint[] members =
        [
            Protocol.OutputStream, (uint)VideoCodec.H264, timeBase.Numerator, timeBase.Denominator, rate.Numerator, rate.Denominator, 8, 6, aspect.Numerator, aspect.Denominator,
        ];
        members.CopyTo(entry, 0);
        Put(MemoryMarshal.AsBytes(entry.AsSpan()));
    }

    /// <summary>Sends an event of the device's own.</summary>
    public void Raise(uint revents) => Channel.Raise(revents | Revents.Unsolicited);

    /// <summary>Puts an output and takes it.</summary>
    public DecoderOutput Pass(in OutputEntry output)
    {
        Put(output);
        return Decoder.Take(TestContext.Current.CancellationToken);
    }

    private void Put(ReadOnlySpan<byte> entry)
    {
        var index = _outputsWritten++ % Protocol.RingEntries;
        entry.CopyTo(_memory.GetSpan(Protocol.Outputs + (index * OutputEntry.Length), OutputEntry.Length));
        Volatile.Write(ref Word(Protocol.OutputsWritten), _outputsWritten);
    }

    public void Dispose()
    {
        Decoder.Dispose();
        _memory.Dispose();
    }
}
