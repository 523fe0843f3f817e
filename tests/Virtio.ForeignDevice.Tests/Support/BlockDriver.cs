// A driver for virtio block devices (virtio 1.2, section 5.2), as small as can be.
using System.Buffers.Binary;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser;

namespace Virtio.ForeignDevice.Tests.Support;

/// <summary>Reads and writes sectors, several requests at a time. For one thread.</summary>
internal sealed class BlockDriver : IDisposable
{
    internal const int SectorSize = 512;

    /// <summary>The most bytes that a request carries.</summary>
    internal const int MaximumLength = 64 << 10;

    // Much longer than a disk takes on a busy machine, in milliseconds.
    private const int Patience = 30_000;

    // A table has room for three descriptors of 16 bytes.
    private const int HeaderLength = 16, TableLength = 48, QueueSize = 64;

    // VIRTIO_BLK_T_*
    private const uint In = 0, Out = 1, Flush = 4;

    private readonly RemoteDevice _device;
    private readonly bool _indirect;
    private EventPoll? _poll;
    private Slot[] _slots = [];

    private BlockDriver(RemoteDevice device)
    {
        _device = device;
        _indirect = (device.Features & VirtioFeatures.IndirectDescriptors) != 0;
    }

    /// <summary>The device underneath.</summary>
    internal RemoteDevice Device => _device;

    /// <summary>The number of sectors, as the configuration space says it.</summary>
    internal ulong Capacity
    {
        get
        {
            Span<byte> configuration = stackalloc byte[sizeof(ulong)];
            _device.ReadConfiguration(configuration);
            return BinaryPrimitives.ReadUInt64LittleEndian(configuration);
        }
    }

    /// <summary>How many requests can be in flight.</summary>
    internal int Slots => _slots.Length;

    /// <summary>Connects and starts the device.</summary>
    internal static BlockDriver Connect(string socketPath, VirtioFeatures features = VirtioFeatures.EventIndex | VirtioFeatures.IndirectDescriptors)
    {
        var driver = new BlockDriver(RemoteDevice.Connect(socketPath, new RemoteDeviceOptions { Features = features }));
        try
        {
            driver.Start();
            return driver;
        }
        catch
        {
            driver.Dispose();
            throw;
        }
    }

    /// <summary>The same where the daemon may still be busy with the end of the connection before: it closes new ones until then.</summary>
    internal static BlockDriver ConnectAgain(string socketPath)
    {
        var end = Environment.TickCount64 + Patience;
        while (true)
        {
            try
            {
                return Connect(socketPath);
            }
            catch (VhostUserException) when (Environment.TickCount64 < end)
            {
                Thread.Yield();
            }
        }
    }

    /// <summary>Starts the device with one queue.</summary>
    internal void Start()
    {
        _device.Start(QueueSize);
        _poll = new EventPoll();
        _poll.Add(_device.Queues[0].Call.Descriptor, 0);
        _poll.Add(_device.Connection, 1, PollEvents.None);
        // Without indirect tables a request takes three descriptors.
        _slots = [.. Enumerable.Range(0, _indirect ? QueueSize : QueueSize / 3).Select(_ => new Slot(_device.Memory))];
    }

    /// <summary>Resets the device.</summary>
    internal void Stop()
    {
        _poll!.Dispose();
        _device.Stop();
    }

    /// <summary>Begins to read into a slot.</summary>
    internal void BeginRead(int slot, ulong sector, int length) => Begin(slot, In, sector, length);

    /// <summary>Begins to write.</summary>
    internal void BeginWrite(int slot, ulong sector, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Data(slot));
        Begin(slot, Out, sector, bytes.Length);
    }

    /// <summary>Begins to bring what was written to the medium.</summary>
    internal void BeginFlush(int slot) => Begin(slot, Flush, 0, 0);

    /// <summary>Waits for the next request to end, whichever that is.</summary>
    /// <returns>Its slot and its status: 0 = done, 1 = failed, 2 = not supported.</returns>
    /// <exception cref="IOException">The back-end is gone.</exception>
    internal (int Slot, byte Status) WaitForOne()
    {
        var queue = _device.Queues[0];
        ulong token;
        Span<ReadyDescriptor> ready = stackalloc ReadyDescriptor[2];
        while (!queue.Driver.TryReclaim(out token, out _))
        {
            if (queue.Driver.EnableCalls())
            {
                continue;
            }

            var count = _poll!.Wait(ready, Patience);
            Assert.NotEqual(0, count);
            foreach (var each in ready[..count])
            {
                if (each.Token == 1)
                {
                    throw new IOException("The back-end is gone.");
                }
            }
            queue.Call.TryConsume();
        }
        return ((int)token, _device.Memory.GetSpan(_slots[token].Status)[0]);
    }

    /// <summary>The bytes of a slot.</summary>
    internal Span<byte> Data(int slot) => _device.Memory.GetSpan(_slots[slot].Data);

    /// <summary>Reads sectors and waits for them.</summary>
    internal byte[] Read(ulong sector, int length)
    {
        BeginRead(0, sector, length);
        Assert.Equal((0, 0), WaitForOne());
        return Data(0)[..length].ToArray();
    }

    public void Dispose()
    {
        _poll?.Dispose();
        _device.Dispose();
    }

    private void Begin(int index, uint type, ulong sector, int length)
    {
        var slot = _slots[index];
        var header = _device.Memory.GetSpan(slot.Header);
        header.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], sector);
        _device.Memory.GetSpan(slot.Status)[0] = byte.MaxValue;
        var data = slot.Data with { Length = (uint)length };
        var queue = _device.Queues[0];
        Assert.True(type switch
        {
            In => TryAdd(slot, [slot.Header], [data, slot.Status]),
            Out => TryAdd(slot, [slot.Header, data], [slot.Status]),
            _ => TryAdd(slot, [slot.Header], [slot.Status]),
        });
        queue.KickIfWanted();

        bool TryAdd(Slot slot, ReadOnlySpan<GuestBuffer> readable, ReadOnlySpan<GuestBuffer> writable) => _indirect
            ? queue.Driver.TryAddIndirect(slot.Table, readable, writable, (ulong)index)
            : queue.Driver.TryAdd(readable, writable, (ulong)index);
    }

    /// <summary>The memory of one request.</summary>
    private sealed class Slot(DriverMemory memory)
    {
        internal GuestBuffer Header { get; } = memory.Allocate(HeaderLength);

        internal GuestBuffer Data { get; } = memory.Allocate(MaximumLength);

        internal GuestBuffer Status { get; } = memory.Allocate(1);

        internal GuestBuffer Table { get; } = memory.Allocate(TableLength);
    }
}
