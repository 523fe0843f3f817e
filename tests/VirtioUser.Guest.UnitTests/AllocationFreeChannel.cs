// A channel that answers every ping at once and allocates nothing, so that only the library's own allocations and calls count.
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.UnitTests;

/// <summary>For one thread. All pings of a call get the first one's answer.</summary>
internal sealed class AllocationFreeChannel(bool inCall) : DeviceChannel
{
    private uint _answer;
    private int _answers;

    public override DeviceIdentity Identity => new(0x5655, 0x7E57, 1);

    /// <summary>How often the library has called the channel; each is at least one system call of a real one.</summary>
    public int Calls { get; private set; }

    public override int Send(ReadOnlySpan<PingRequest> pings)
    {
        Calls++;
        _answer = (uint)pings[0].Metadata;
        _answers = pings.Length;
        return pings.Length;
    }

    public override PingOutcome Ping(in PingRequest ping, out uint answer)
    {
        answer = (uint)ping.Metadata;
        Calls += inCall ? 1 : 0;
        return inCall ? PingOutcome.Answered : PingOutcome.NotSent;
    }

    public override Reception Receive(Span<uint> revents, out int count)
    {
        Calls++;
        count = _answers;
        revents[..count].Fill(_answer);
        return Reception.Events;
    }

    public override PollEvents Wait(PollEvents events, Interrupt interrupt)
    {
        Calls++;
        return PollEvents.In;
    }

    public override ObjectDescription Allocate(ulong length) => throw new NotSupportedException();

    public override ObjectDescription Import(ulong id) => throw new NotSupportedException();

    public override void Export(ulong id) => throw new NotSupportedException();

    public override void Free(ulong id) => throw new NotSupportedException();

    public override Mapping Map(ObjectDescription description) => throw new NotSupportedException();

    protected override void Close()
    {
    }
}
