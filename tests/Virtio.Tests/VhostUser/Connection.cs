// A back-end on a thread of its own, and the other end of its socket.
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

internal sealed class Connection : IDisposable
{
    /// <summary>How long to wait, in milliseconds, before a test has failed.</summary>
    internal const int Patience = 30_000;

    private readonly Thread _thread;
    private Exception? _failure;

    internal Connection(EchoDevice device, BackEndOptions? options = null)
    {
        Device = device;
        (var mine, var theirs) = UnixSocket.Pair();
        Socket = theirs;
        BackEnd = new BackEnd(mine, device, options);
        _thread = new Thread(() => _failure = Record.Exception(BackEnd.Run));
        _thread.Start();
    }

    internal EchoDevice Device { get; }

    internal BackEnd BackEnd { get; }

    /// <summary>The front-end's end. Whoever wraps it may close it; closing twice does no harm.</summary>
    internal UnixSocket Socket { get; }

    /// <summary>A front-end that has negotiated everything.</summary>
    internal FrontEnd Negotiate(ProtocolFeatures? features = null)
    {
        var frontEnd = new FrontEnd(Socket);
        Assert.NotEqual(VirtioFeatures.None, frontEnd.GetFeatures() & VirtioFeatures.ProtocolFeatures);
        frontEnd.SetProtocolFeatures(features ?? frontEnd.GetProtocolFeatures());
        frontEnd.SetOwner();
        return frontEnd;
    }

    /// <summary>Waits for the back-end to end, and returns what it threw.</summary>
    internal Exception? WaitForEnd()
    {
        Assert.True(_thread.Join(Patience), "The back-end does not end.");
        return _failure;
    }

    /// <summary>Waits for the next thing that happens to the device.</summary>
    internal string NextEvent()
    {
        Assert.True(Device.Events.TryTake(out var happened, Patience, TestContext.Current.CancellationToken), "Nothing happens.");
        return happened;
    }

    /// <summary>Waits until the device has seen exactly these events next.</summary>
    internal void Expect(params string[] events)
    {
        foreach (var expected in events)
        {
            Assert.Equal(expected, NextEvent());
        }
    }

    /// <summary>Waits until something happens that begins so, whatever happens before.</summary>
    internal void ExpectAtLast(string beginning)
    {
        while (!NextEvent().StartsWith(beginning, StringComparison.Ordinal))
        {
        }
    }

    public void Dispose()
    {
        Socket.Dispose();
        WaitForEnd();
        BackEnd.Dispose();
    }
}
