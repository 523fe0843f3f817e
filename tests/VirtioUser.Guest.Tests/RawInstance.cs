// An open device file without the library between.
using System.Runtime.InteropServices;
using TestDevice.Dependency;
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using Xunit;

namespace VirtioUser.Guest.Tests;

/// <summary>The driver's calls, as a C program makes them.</summary>
internal sealed class RawInstance : IDisposable
{
    public RawInstance(uint device = TestDevices.Test, bool nonBlocking = false) =>
        File = LinuxFile.Open(Given.Node(device).Path, nonBlocking);

    public LinuxFile File { get; }

    /// <summary>The errno of a call that must fail.</summary>
    public static Errno ErrnoOf(Action action) => Assert.Throws<LinuxException>(action).Errno;

    public int Write(params ReadOnlySpan<PingRequest> pings) => File.Write(MemoryMarshal.AsBytes(pings));

    public bool TryWrite(PingRequest ping) =>
        File.TryWrite(MemoryMarshal.AsBytes(new ReadOnlySpan<PingRequest>(in ping)), out _);

    /// <summary>Sends a ping that wants an answer and waits for it in the same call.</summary>
    /// <returns>Whether it came; if not, a read gets it.</returns>
    public bool Call(PingRequest ping, uint waitMicroseconds, out uint answer)
    {
        var waiting = ping with { Events = Math.Max(ping.Events, 1), WaitMicroseconds = waitMicroseconds };
        var result = File.Ioctl(DriverInterface.Ping, ref waiting);
        Assert.InRange(result, 0, 1);
        answer = waiting.Events;
        return result == 1;
    }

    /// <summary>Gets a ping's answer, in whichever way it comes. Only while nobody else reads.</summary>
    public uint Call(PingRequest ping) => Call(ping, DriverInterface.LongestWait, out var answer) ? answer : Read();

    public uint Read()
    {
        Span<uint> revents = [0];
        Assert.Equal(sizeof(uint), File.Read(MemoryMarshal.AsBytes(revents)));
        return revents[0];
    }

    public ObjectArgument Allocate(ulong length)
    {
        var argument = new ObjectArgument { Length = length };
        File.Ioctl(DriverInterface.Allocate, ref argument);
        return argument;
    }

    public void Call(uint request, ulong id)
    {
        var argument = new ObjectArgument { Id = id };
        File.Ioctl(request, ref argument);
    }

    public ObjectArgument Import(ulong id)
    {
        var argument = new ObjectArgument { Id = id };
        File.Ioctl(DriverInterface.Import, ref argument);
        return argument;
    }

    public Mapping Map(ObjectArgument described) => Mapping.Map(File.Descriptor, described.Offset, described.Length);

    public PollEvents Ready() => File.Poll(PollEvents.In | PollEvents.Out, timeoutMilliseconds: 0);

    public void Dispose() => File.Dispose();
}
