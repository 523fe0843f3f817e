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
