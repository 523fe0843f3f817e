// Virtqueue 1 as the device model wants it.
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Virtio.Queues;
using Virtio.VhostUser;
using VirtioUser.Host;
using VirtioUser.Host.Config;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>Writes config replies into buffers of the driver.</summary>
/// <param name="started">The queue.</param>
/// <param name="faults">Told when the driver has broken the rings.</param>
/// <param name="counters">Where buffers that are too small are counted.</param>
/// <param name="logger">A log with a bound.</param>
internal sealed class ReplyQueue(StartedQueue started, QueueFaults faults, HostCounters counters, ILogger logger) : IReplyQueue
{
    // A driver can make each chain of a ring as long as the ring, out of the same descriptors. So many rings' worth are read at a
    // time, then the lane is free for whoever takes the queue away.
    private const int SizesATurn = 4;

    private readonly DeviceQueue _queue = started.Queue;

    /// <inheritdoc/>
    public bool HasMore { get; private set; }

    /// <inheritdoc/>
    public bool TryPut(in ConfigMessage reply)
    {
        HasMore = false;
        if (_queue.IsBroken)
        {
            return false;
        }

        try
        {
            for (var budget = SizesATurn * _queue.Size; budget > 0;)
            {
                if (_queue.TryTake(out var chain))
                {
                    budget -= chain.DescriptorCount;
                    if (TryWrite(chain, in reply))
                    {
                        return true;
                    }
                }
                else if (_queue.EnableKicks())
                {
                    budget--; // a chain has come meanwhile, or the driver moves its index to and fro
                }
                else
                {
                    return false;
                }
            }

            HasMore = true;
        }
        catch (QueueException e)
        {
            faults.Report(started, e);
        }

        return false;
    }

    /// <inheritdoc/>
    public bool MustSignal() => faults.MustCall(started);

    /// <inheritdoc/>
    public void Signal() => started.Call.Signal();

    private bool TryWrite(DescriptorChain chain, in ConfigMessage reply)
    {
        var fits = chain.Error == ChainError.None && chain.WritableLength >= ConfigMessage.Size;
        _queue.Return(chain.Head, fits ? (uint)chain.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<ConfigMessage>(in reply))) : 0);
        if (!fits)
        {
            counters.Add(Counter.MessagesRejected);
            Log.ReplyBufferTooSmall(logger, chain.WritableLength, ConfigMessage.Size);
        }

        return fits;
    }
}
