// The devices that the benchmarks ping.
using System.Buffers.Binary;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace VirtioUser.Benchmarks;

/// <summary>Answers with the low bits of the metadata: as little as a device can do.</summary>
public sealed class EchoDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(BenchmarkDevices.Vendor, BenchmarkDevices.Echo, BenchmarkDevices.Version);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance();

    private sealed class Instance : DeviceInstance
    {
        public override uint OnPing(in Ping ping) => (uint)ping.Metadata;
    }
}

/// <summary>Works on many small blocks, with or without allocating them: a neighbour that keeps the collector busy, or only a processor.</summary>
public sealed class WorkDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(BenchmarkDevices.Vendor, BenchmarkDevices.Work, BenchmarkDevices.Version);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance();

    private sealed class Instance : DeviceInstance
    {
        private const int BlockLength = 1000;

        // Some live on, so that collections have something to mark and to move.
        private readonly byte[]?[] _kept = new byte[]?[20_000];
        private readonly byte[] _own = new byte[BlockLength];
        private int _next;

        public override uint OnPing(in Ping ping)
        {
            var allocate = (ping.Metadata & BenchmarkDevices.WithoutAllocating) == 0;
            for (var left = (uint)ping.Metadata; left > 0; left--)
            {
                if (allocate)
                {
                    _kept[_next] = new byte[BlockLength];
                    _next = (_next + 1) % _kept.Length;
                }
                else
                {
                    _own.AsSpan().Clear();
                }
            }

            return 1;
        }
    }
}

/// <summary>Reads every byte that a ping names.</summary>
public sealed class ChecksumDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(BenchmarkDevices.Vendor, BenchmarkDevices.Checksum, BenchmarkDevices.Version);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance();

    private sealed class Instance : DeviceInstance
    {
        public override uint OnPing(in Ping ping) => Checksum.Of(ping.Bytes);
    }
}

/// <summary>Tells what the daemon has allocated.</summary>
public sealed class AllocatedDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(BenchmarkDevices.Vendor, BenchmarkDevices.Allocated, BenchmarkDevices.Version);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance();

    private sealed class Instance : DeviceInstance
    {
        public override uint OnPing(in Ping ping)
        {
            BinaryPrimitives.WriteInt64LittleEndian(ping.Bytes, GC.GetTotalAllocatedBytes(precise: true));
            return 1;
        }
    }
}
