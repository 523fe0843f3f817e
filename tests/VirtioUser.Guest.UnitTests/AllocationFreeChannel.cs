// A channel that answers every ping at once and allocates nothing, so that only the library's own allocations count.
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.UnitTests;

/// <summary>For one thread. All pings of a call get the first one's answer.</summary>
internal sealed class AllocationFreeChannel : DeviceChannel
{
    private uint _answer;
    private int _answers;

    public override DeviceIdentity Identity => new(0x5655, 0x7E57, 1);

    public override int Send(ReadOnlySpan<PingRequest> pings)
    {
        _answer = (uint)pings[0].Metadata;
        _answers = pings.Length;
        return pings.Length;
    }

    public override Reception Receive(Span<uint> revents, out int count)
    {
        count = _answers;
        revents[..count].Fill(_answer);
        return Reception.Events;
    }

    public override PollEvents Wait(PollEvents events, Interrupt interrupt) => PollEvents.In;

    public override ObjectDescription Allocate(ulong length) => throw new NotSupportedException();

    public override ObjectDescription Import(ulong id) => throw new NotSupportedException();

    public override void Export(ulong id) => throw new NotSupportedException();

    public override void Free(ulong id) => throw new NotSupportedException();

    public override Mapping Map(ObjectDescription description) => throw new NotSupportedException();

    protected override void Close()
    {
    }
}
