// A guest program that writes to the shared memory what it likes.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using VirtioUser.Guest;

namespace VirtioUser.Codec.Tests.Support;

/// <summary>The numbers of codec_protocol.h, written by hand.</summary>
internal static class Layout
{
    public const uint Vendor = 0x5655, Device = 3;
    public const ulong Open = 1, Doorbell = 2;
    public const uint Ok = 1, BadRequest = 2, BadLayout = 3, OpenAlready = 5, NoResources = 6;
    public const ulong ChunksWritten = 0x100, ReturnsWritten = 0x140, OutputsTaken = 0x180, GuestWants = 0x1c0, OutputsAt = 0x1c4, ChunksAt = 0x1c8,
        ChunksTaken = 0x200, OutputsWritten = 0x280, DeviceWaits = 0x2c0, BrokenReason = 0x300;
    public const ulong Chunks = 0x1000, Returns = 0x1800, Outputs = 0x2000, Areas = 0x4000;
    public const uint EventOutput = 1, EventSpace = 2, EventError = 4, EventBroken = 8;
    public const uint Frame = 1, Error = 2, End = 3, Stream = 4;
    public const uint BrokenChunks = 1, BrokenReturns = 2, BrokenOutputs = 3, BrokenChunk = 4;
}

/// <summary>An instance, its object, and nothing that checks what is done to them.</summary>
internal sealed class RawDecoder : IDisposable
{
    public const uint RingEntries = 64;
    public const ulong DataSize = 256 << 10;

    private uint _chunksWritten;
    private uint _outputsTaken;
    private uint _returnsWritten;
    private ulong _dataUsed;

    private RawDecoder(VirtioUserDevice device, ulong objectSize)
    {
        Device = device;
        try
        {
            Memory = device.Allocate(objectSize);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    public VirtioUserDevice Device { get; }

    public SharedObject Memory { get; }

    /// <summary>The room for pictures, of a decoder that is ready.</summary>
    public Span<byte> Pictures => Memory.Span[(int)(Layout.Areas + DataSize)..];

    /// <summary>An instance with an object in which nothing is set up.</summary>
    public static RawDecoder Create(DeviceSource source, ulong objectSize = 1 << 20) =>
        new(VirtioUserDevice.Open(Layout.Vendor, Layout.Device, source: source), objectSize);

    /// <summary>A decoder that is ready for a stream.</summary>
    public static RawDecoder Open(DeviceSource source, uint threads = 1, ulong framesSize = 4 << 20)
    {
        var decoder = Create(source, Layout.Areas + DataSize + framesSize);
        decoder.Set(new Setup(0, threads, Layout.Areas, DataSize, Layout.Areas + DataSize, framesSize));
        Assert.Equal(Layout.Ok, decoder.Ask());
        return decoder;
    }

    public void Set(in Setup setup)
    {
        Write(0, setup.Reserved);
        Write(4, setup.Threads);
        WriteLong(8, setup.DataOffset);
        WriteLong(16, setup.DataSize);
        WriteLong(24, setup.FramesOffset);
        WriteLong(32, setup.FramesSize);
    }

    /// <summary>Sends CODEC_OPEN and returns the answer.</summary>
    public uint Ask() => Ask(new PingRequest(Memory, Layout.Open));

    /// <summary>Sends any ping and returns the answer.</summary>
    public uint Ask(PingRequest request) => Device.Ping(request, Patience.Token());

    public void Ring() => Device.Send(new PingRequest(Layout.Doorbell));

    /// <summary>Rings, as a good guest does: a device that waits from now on waits for something new.</summary>
    public void WakeUp()
    {
        Write(Layout.DeviceWaits, 0);
        Ring();
    }

    public uint Read(ulong offset) => Volatile.Read(ref MemoryMarshal.AsRef<uint>(Memory.GetSpan(offset, 4)));

    public void Write(ulong offset, uint value) => Volatile.Write(ref MemoryMarshal.AsRef<uint>(Memory.GetSpan(offset, 4)), value);

    public void WriteLong(ulong offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Memory.GetSpan(offset, 8), value);

    /// <summary>Writes an entry of the ring of chunks as it is.</summary>
    public void PutEntry(ulong offset, uint size, uint flags)
    {
        var entry = Layout.Chunks + (_chunksWritten % RingEntries * 32);
        WriteLong(entry, offset);
        Write(entry + 8, size);
        Write(entry + 12, flags);
        Write(Layout.ChunksWritten, ++_chunksWritten);
    }

    /// <summary>Writes some bytes of a stream behind the ones before, and their entry.</summary>
    public void Put(ReadOnlySpan<byte> bytes)
    {
        if (_dataUsed + (ulong)bytes.Length > DataSize)
        {
            _dataUsed = 0;
        }

        bytes.CopyTo(Memory.GetSpan(Layout.Areas + _dataUsed, bytes.Length));
        PutEntry(Layout.Areas + _dataUsed, (uint)bytes.Length, flags: 0);
        _dataUsed += (ulong)bytes.Length;
    }

    public void PutEnd() => PutEntry(0, 0, flags: 1);

    public void PutAll(Sample sample, int pieces = 25)
    {
        foreach (var piece in sample.Pieces(pieces))
        {
            Put(piece);
        }

        PutEnd();
    }

    /// <summary>Takes an output, if there is one: its type, its error, its token. What tells of the stream is passed over.</summary>
    public bool TryTake(out (uint Type, uint Error, uint Token) output) => TryTake(out output, out _);

    private bool TryTakeAny(out (uint Type, uint Error, uint Token) output)
    {
        output = default;
        if (Read(Layout.OutputsWritten) == _outputsTaken)
        {
            return false;
        }

        var entry = Layout.Outputs + (_outputsTaken % RingEntries * 128);
        output = (Read(entry), Read(entry + 4), Read(entry + 8));
        Write(Layout.OutputsTaken, ++_outputsTaken);
        return true;
    }

    /// <summary>Takes an output, and the sum of the first plane's samples.</summary>
    public bool TryTake(out (uint Type, uint Error, uint Token) output, out string sum)
    {
        ulong entry;
        sum = "";
        do
        {
            entry = Layout.Outputs + (_outputsTaken % RingEntries * 128);
            if (!TryTakeAny(out output))
            {
                return false;
            }
        }
        while (output.Type == Layout.Stream);
        if (output.Type != Layout.Frame)
        {
            return true;
        }

        var (width, height, bits, stride) = (Read(entry + 24), Read(entry + 28), Read(entry + 36), Read(entry + 52));
        var plane = BinaryPrimitives.ReadUInt64LittleEndian(Memory.GetSpan(entry + 72, 8));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var row = 0u; row < height; row++)
        {
            hash.AppendData(Memory.GetSpan(plane + (row * stride), (int)(width * (bits > 8 ? 2u : 1u))));
        }

        sum = Convert.ToHexStringLower(hash.GetHashAndReset());
        return true;
    }

    public void Return(uint token)
    {
        Write(Layout.Returns + (_returnsWritten % RingEntries * 4), token);
        Write(Layout.ReturnsWritten, ++_returnsWritten);
    }

    /// <summary>Sleeps until the device has nothing to do any more but has something for this guest, or has stopped.</summary>
    public uint AwaitEvent(uint outputs = 1000)
    {
        Write(Layout.OutputsAt, _outputsTaken + outputs);
        Write(Layout.GuestWants, Layout.EventOutput);
        Ring();
        return Device.ReadEvent(Patience.Token());
    }

    /// <summary>How many outputs wait to be taken.</summary>
    public uint Outputs => Read(Layout.OutputsWritten) - _outputsTaken;

    /// <summary>Says that this guest sleeps, until the device has nothing to do any more but has something for it.</summary>
    public void Sleep()
    {
        Write(Layout.OutputsAt, _outputsTaken + 1000);
        Write(Layout.GuestWants, Layout.EventOutput);
        WakeUp();
    }

    /// <summary>Waits until the device says that it has stopped, and why.</summary>
    public uint AwaitBroken()
    {
        Ring();
        while ((Device.ReadEvent(Patience.Token()) & Layout.EventBroken) == 0)
        {
        }

        return Read(Layout.BrokenReason);
    }

    public void Dispose()
    {
        Memory.Dispose();
        Device.Dispose();
    }

    /// <summary>struct codec_setup.</summary>
    internal readonly record struct Setup(uint Reserved, uint Threads, ulong DataOffset, ulong DataSize, ulong FramesOffset, ulong FramesSize);
}
