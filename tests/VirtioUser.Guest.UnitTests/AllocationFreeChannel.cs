// A channel that answers every ping at once and allocates nothing, so that only the library's own allocations count.
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.UnitTests;

/// <summary>For one thread and one ping at a time.</summary>
internal sealed class AllocationFreeChannel : DeviceChannel
{
    private uint _answer;

    public override DeviceIdentity Identity => new(0x5655, 0x7E57, 1);

    public override int Send(ReadOnlySpan<PingRequest> pings)
    {
        _answer = (uint)pings[0].Metadata;
        return 1;
    }

    public override Reception Receive(Span<uint> revents, out int count)
    {
        count = 1;
        revents[0] = _answer;
        return Reception.Events;
    }

    public override PollEvents Wait(PollEvents events, EventFd interrupt) => PollEvents.In;

    public override ObjectDescription Allocate(ulong length) => throw new NotSupportedException();

    public override ObjectDescription Import(ulong id) => throw new NotSupportedException();

    public override void Export(ulong id) => throw new NotSupportedException();

    public override void Free(ulong id) => throw new NotSupportedException();

    public override Mapping Map(ObjectDescription description) => throw new NotSupportedException();

    protected override void Close()
    {
    }
}
