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

    sealed class Instance : DeviceInstance
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

    sealed class Instance : DeviceInstance
    {
        const int BlockLength = 1000;

        // Some live on, so that collections have something to mark and to move.
        readonly byte[]?[] kept = new byte[]?[20_000];
        readonly byte[] own = new byte[BlockLength];
        int next;

        public override uint OnPing(in Ping ping)
        {
            bool allocate = (ping.Metadata & BenchmarkDevices.WithoutAllocating) == 0;
            for (uint left = (uint)ping.Metadata; left > 0; left--)
            {
                if (allocate)
                {
                    kept[next] = new byte[BlockLength];
                    next = (next + 1) % kept.Length;
                }
                else
                {
                    own.AsSpan().Clear();
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

    sealed class Instance : DeviceInstance
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

    sealed class Instance : DeviceInstance
    {
        public override uint OnPing(in Ping ping)
        {
            BinaryPrimitives.WriteInt64LittleEndian(ping.Bytes, GC.GetTotalAllocatedBytes(precise: true));
            return 1;
        }
    }
}
