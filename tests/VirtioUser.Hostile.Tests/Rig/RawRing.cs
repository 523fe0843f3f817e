// One virtqueue whose driver writes anything into it.
using System.Diagnostics;
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>The bytes of a split ring (VIRTIO 1.2, section 2.7), without a check of any kind.</summary>
internal sealed class RawRing(RawGuest guest, int index, ushort size, ulong address, ulong buffers) : IDisposable
{
    public const ushort Next = 1, Write = 2, Indirect = 4;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private ushort _seen = guest.First;

    public int Index => index;

    public ushort Size => size;

    public ulong Table => address;

    public ulong Available => address + (16UL * size);

    public ulong Used => (Available + 6 + (2UL * size) + 3) & ~3UL;

    /// <summary>Where buffers of this ring can lie: half a mebibyte.</summary>
    public ulong Buffers => buffers;

    public EventFd Kick { get; private set; } = EventFd.Create();

    public EventFd Call { get; } = EventFd.Create();

    public EventFd Error { get; } = EventFd.Create();

    public ushort AvailableIndex
    {
        get => Volatile.Read(ref Word(Available + 2));
        set => Volatile.Write(ref Word(Available + 2), value);
    }

    public ushort UsedIndex => Volatile.Read(ref Word(Used + 2));

    /// <summary>Elements that came back while another one was awaited.</summary>
    public List<(uint Head, uint Length)> Returned { get; } = [];

    /// <summary>Clears the ring, but for where it begins.</summary>
    public void Reset()
    {
        guest.Bytes(address, (int)(Used + 6 + (8UL * size) - address)).Clear();
        AvailableIndex = guest.First;
        Word(Used + 2) = guest.First;
        _seen = guest.First;
    }

    /// <summary>Writes a descriptor.</summary>
    public void Describe(int at, ulong buffer, uint length, ushort flags = 0, ushort next = 0) =>
        DescribeAt(Table + (16UL * (uint)at), buffer, length, flags, next);

    /// <summary>Writes a descriptor anywhere.</summary>
    public void DescribeAt(ulong at, ulong buffer, uint length, ushort flags = 0, ushort next = 0)
    {
        var bytes = guest.Bytes(at, 16);
        MemoryMarshal.Write(bytes, buffer);
        MemoryMarshal.Write(bytes[8..], length);
        MemoryMarshal.Write(bytes[12..], flags);
        MemoryMarshal.Write(bytes[14..], next);
    }

    /// <summary>Makes chains available, and kicks.</summary>
    public void Offer(params ushort[] heads)
    {
        foreach (var head in heads)
        {
            var at = AvailableIndex;
            Word(Available + 4 + (2UL * (uint)(at & (size - 1)))) = head;
            AvailableIndex = (ushort)(at + 1);
        }

        Kick.Signal();
    }

    /// <summary>Takes the next element that has come back, if there is one.</summary>
    public bool TryUsed(out (uint Head, uint Length) element)
    {
        element = default;
        if (UsedIndex == _seen)
        {
            return false;
        }

        var at = guest.Bytes(Used + 4 + (8UL * (uint)(_seen & (size - 1))), 8);
        element = (MemoryMarshal.Read<uint>(at), MemoryMarshal.Read<uint>(at[4..]));
        _seen++;
        return true;
    }

    /// <summary>Waits for a head to come back; others that come before are noted.</summary>
    public uint AwaitUsed(uint head, string what)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            Call.TryConsume();
            while (TryUsed(out var element))
            {
                if (element.Head == head)
                {
                    return element.Length;
                }

                Returned.Add(element);
            }

            var left = Patience - Stopwatch.GetElapsedTime(began);
            if (left <= TimeSpan.Zero || (!Call.Wait((int)left.TotalMilliseconds) && UsedIndex == _seen))
            {
                throw new WedgedException($"Ring {index} does not go on: {what}.");
            }
        }
    }

    /// <summary>Another kick descriptor, which the daemon has not been told yet.</summary>
    public EventFd ReplaceKick()
    {
        var before = Kick;
        Kick = EventFd.Create();
        return before;
    }

    /// <summary>Makes the next signal of a descriptor wait: the file behind it is the daemon's too.</summary>
    public static void Block(EventFd descriptor) => NativeMethods.FillAndBlock(descriptor.Descriptor);

    /// <summary>Brings the count to its limit.</summary>
    public static void Fill(EventFd descriptor) => NativeMethods.Fill(descriptor.Descriptor);

    public void Dispose()
    {
        Kick.Dispose();
        Call.Dispose();
        Error.Dispose();
    }

    private ref ushort Word(ulong at) => ref MemoryMarshal.AsRef<ushort>(guest.Bytes(at, 2));
}
