// An instance that was opened through the guest driver's device node.
using System.Runtime.InteropServices;
using Virtio.Linux;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Channels;

/// <summary>One open file of the driver, non-blocking, so that every wait can be interrupted.</summary>
internal sealed class DriverChannel : DeviceChannel
{
    /// <summary>How long the driver may hold a call that waits for its answer: as long as disposing may have to wait for it.</summary>
    private const uint WaitMicroseconds = 1000;

    /// <summary>After late answers, at most so many pings go without such a wait.</summary>
    private const int MaximumSkipped = 63;

    private readonly LinuxFile _file;

    // A device whose answers take longer gains nothing by the wait, and others who want to send would lose by it.
    private int _skipNext;
    private int _skipped;

    private DriverChannel(DeviceIdentity identity, LinuxFile file)
    {
        Identity = identity;
        _file = file;
    }

    public override DeviceIdentity Identity { get; }

    /// <summary>Opens the node; the host makes an instance. Blocks until the host has answered.</summary>
    /// <exception cref="VirtioUserException">The driver or the host refused.</exception>
    public static DriverChannel Open(DeviceNode node)
    {
        try
        {
            return new DriverChannel(node.Identity, LinuxFile.Open(node.Path, nonBlocking: true));
        }
        catch (LinuxException e)
        {
            throw new VirtioUserException(node.Identity.ToString(), "open", e.Errno, e);
        }
    }

    public override int Send(ReadOnlySpan<PingRequest> pings)
    {
        try
        {
            return _file.TryWrite(MemoryMarshal.AsBytes(pings), out var count) ? count / PingRequest.Length : 0;
        }
        catch (LinuxException e)
        {
            throw Failure("ping", e);
        }
    }

    public override PingOutcome Ping(in PingRequest ping, out uint answer)
    {
        answer = 0;
        if (_skipped < _skipNext)
        {
            _skipped++;
            return PingOutcome.NotSent;
        }

        var waiting = ping with { WaitMicroseconds = WaitMicroseconds };
        try
        {
            if (!_file.TryIoctl(DriverInterface.Ping, MemoryMarshal.AsBytes(new Span<PingRequest>(ref waiting)), out var answered))
            {
                return PingOutcome.NotSent;
            }

            _skipped = 0;
            _skipNext = answered != 0 ? 0 : Math.Min((_skipNext * 2) + 1, MaximumSkipped);
            answer = waiting.Events;
            return answered != 0 ? PingOutcome.Answered : PingOutcome.Sent;
        }
        catch (LinuxException e)
        {
            throw Failure("ping", e);
        }
    }

    public override Reception Receive(Span<uint> revents, out int count)
    {
        count = 0;
        try
        {
            if (!_file.TryRead(MemoryMarshal.AsBytes(revents), out var bytes))
            {
                return Reception.Nothing;
            }

            count = bytes / sizeof(uint);
            return Reception.Events;
        }
        catch (LinuxException e) when (e.Errno == Errno.EOVERFLOW)
        {
            return Reception.EventsLost;
        }
        catch (LinuxException e)
        {
            throw Failure("read", e);
        }
    }

    public override PollEvents Wait(PollEvents events, Interrupt interrupt)
    {
        var signal = ((DescriptorInterrupt)interrupt).EventFd;
        try
        {
            var happened = _file.Poll(events, cancel: signal);
            if (happened == PollEvents.None)
            {
                signal.TryConsume();
            }

            return happened;
        }
        catch (LinuxException e)
        {
            throw Failure("poll", e);
        }
    }

    public override ObjectDescription Allocate(ulong length) =>
        Describe(Call("allocate", DriverInterface.Allocate, new ObjectArgument { Length = length }));

    public override ObjectDescription Import(ulong id) =>
        Describe(Call("import", DriverInterface.Import, new ObjectArgument { Id = id }));

    public override void Export(ulong id) => Call("export", DriverInterface.Export, new ObjectArgument { Id = id });

    public override void Free(ulong id) => Call("free", DriverInterface.Free, new ObjectArgument { Id = id });

    public override Mapping Map(ObjectDescription description)
    {
        try
        {
            return Mapping.Map(_file.Descriptor, description.Offset, description.Length);
        }
        catch (LinuxException e)
        {
            throw Failure("map", e);
        }
    }

    protected override void Close() => _file.Dispose();

    private static ObjectDescription Describe(ObjectArgument argument) => new(argument.Id, argument.Offset, argument.Length);

    private ObjectArgument Call(string operation, uint request, ObjectArgument argument)
    {
        try
        {
            _file.Ioctl(request, ref argument);
            return argument;
        }
        catch (LinuxException e)
        {
            throw Failure(operation, e);
        }
    }
}
