// The counters and the rings in the shared memory, as the guest sees them.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using VirtioUser.Guest;

namespace VirtioUser.Codec;

/// <summary>
/// The guest's ends of the three rings, and who sleeps. The device is not trusted: what it writes is copied once and
/// checked; what it has no business to write is never read back. Not thread-safe.
/// </summary>
/// <remarks>
/// Barriers: a maker writes an entry and then its counter with release, a taker reads the counter with acquire and then the
/// entry, so nobody sees a counter before the entries. Release and acquire do not keep a write before a later read of something
/// else; where each side writes its own word and then reads the other's (counters and the words of who sleeps), both need a full
/// fence between, or each could miss what the other has just written, and both sleep.
/// </remarks>
/// <param name="memory">The object.</param>
internal sealed class SharedRings(SharedObject memory)
{
    private uint _chunksWritten;
    private uint _chunksTaken;
    private uint _returnsWritten;
    private uint _outputsTaken;

    /// <summary>Chunks that are written and, as far as was seen last, not taken.</summary>
    public uint ChunksPending => _chunksWritten - _chunksTaken;

    /// <summary>Why the device has stopped; 0 if it has not.</summary>
    public uint Broken => Volatile.Read(ref Word(Protocol.Broken));

    /// <summary>Writes a chunk's entry and counts it. There must be room.</summary>
    public void PutChunk(in ChunkEntry chunk)
    {
        chunk.Write(Entry(Protocol.Chunks, _chunksWritten, ChunkEntry.Length));
        _chunksWritten++;

        // Release: the device sees the entry, and the chunk's bytes, before the counter.
        Volatile.Write(ref Word(Protocol.ChunksWritten), _chunksWritten);
    }

    /// <summary>Looks how many chunks the device has taken since the last time.</summary>
    /// <param name="count">How many.</param>
    /// <returns>False if the counter makes no sense.</returns>
    public bool TryCountTakenChunks(out uint count)
    {
        // Acquire: the chunks' bytes are written again only after the device has said that it has read them.
        var taken = Volatile.Read(ref Word(Protocol.ChunksTaken));
        count = taken - _chunksTaken;
        if (count > ChunksPending)
        {
            return false;
        }

        _chunksTaken = taken;
        return true;
    }

    /// <summary>How many outputs the device has written that were not taken: more than the ring has if it lies.</summary>
    public uint CountOutputs() =>
        // Acquire: the entries are read after the counter.
        Volatile.Read(ref Word(Protocol.OutputsWritten)) - _outputsTaken;

    /// <summary>Takes the oldest output, of which there must be one.</summary>
    /// <param name="copy">Gets a copy, <see cref="OutputEntry.Length"/> bytes: the device can not change it any more.</param>
    public void TakeOutput(Span<byte> copy)
    {
        Entry(Protocol.Outputs, _outputsTaken, OutputEntry.Length).CopyTo(copy);
        _outputsTaken++;

        // Release: the copy is complete before the device may write the entry again.
        Volatile.Write(ref Word(Protocol.OutputsTaken), _outputsTaken);
    }

    /// <summary>Gives a picture back. There is always room: no more tokens can be out than the ring has entries.</summary>
    public void PutReturn(uint token)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(Entry(Protocol.Returns, _returnsWritten, sizeof(uint)), token);
        _returnsWritten++;

        // Release: the token, and all reads of the picture, come before the counter.
        Volatile.Write(ref Word(Protocol.ReturnsWritten), _returnsWritten);
    }

    /// <summary>Whether the device sleeps and has to be told of what was written or taken since.</summary>
    /// <returns>True at most once for each time that it says so.</returns>
    public bool TakeDeviceWaits()
    {
        // Full fence: our counters were written before we look whether the device sleeps. It says so before it looks at them.
        Interlocked.MemoryBarrier();
        return Volatile.Read(ref Word(Protocol.DeviceWaits)) != 0 && Interlocked.Exchange(ref Word(Protocol.DeviceWaits), 0) != 0;
    }

    /// <summary>Says that the guest is going to sleep. It must look at the rings once more afterwards.</summary>
    /// <param name="events">What it wants to be woken for.</param>
    /// <param name="outputs">How many outputs are worth it, counted from those that were taken.</param>
    /// <param name="chunks">How many more taken chunks are worth it, counted from those that were seen taken.</param>
    public void Want(uint events, uint outputs, uint chunks)
    {
        Word(Protocol.OutputsAt) = _outputsTaken + outputs;
        Word(Protocol.ChunksAt) = _chunksTaken + chunks;

        // The exchange is a full fence: the thresholds come before it, and the look at the rings after it. The device writes
        // its counters before it looks at this word.
        Interlocked.Exchange(ref Word(Protocol.GuestWants), events);
    }

    /// <summary>Takes back what <see cref="Want"/> said.</summary>
    /// <returns>False if the device has sent, or is about to send, an event for it.</returns>
    public bool TryUnwant() => Interlocked.Exchange(ref Word(Protocol.GuestWants), 0) != 0;

    private ref uint Word(int offset) => ref MemoryMarshal.AsRef<uint>(memory.GetSpan((ulong)offset, sizeof(uint)));

    private Span<byte> Entry(int ring, uint number, int length) =>
        memory.GetSpan((ulong)ring + (number % Protocol.RingEntries * (uint)length), length);
}
