// A device and some memory, without a daemon between.
namespace VirtioUser.Devices.Tests;

/// <summary>An instance of a device that asks nothing of its host, and the bytes that its pings name.</summary>
internal sealed class PingedDevice(Device device, int length) : ISharedMemory, IDisposable
{
    private readonly DeviceInstance _instance = device.CreateInstance(null!);

    public byte[] Bytes { get; } = new byte[length];

    ulong ISharedMemory.Length => (ulong)Bytes.Length;

    /// <summary>Pings about a part of the bytes.</summary>
    public uint Ping(ulong metadata, int offset, int count) =>
        _instance.OnPing(new Ping(new AsyncPing(metadata, events: 1, shmId: 1, physicalAddress: 0, new SharedRange(this, (ulong)offset, (ulong)count))));

    /// <summary>Pings about all bytes.</summary>
    public uint Ping(ulong metadata) => Ping(metadata, 0, Bytes.Length);

    public Span<byte> GetSpan(ulong offset, int length) => Bytes.AsSpan(checked((int)offset), length);

    public void Dispose() => _instance.Dispose();
}
