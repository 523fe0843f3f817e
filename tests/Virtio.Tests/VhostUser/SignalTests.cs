// Descriptors that block whoever signals them: the connection's thread is never one of these.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

public class SignalTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_connection_s_thread_never_waits_for_a_descriptor_even_if_a_device_signals_on_it(bool call)
    {
        using var guest = new Guest();
        using var blocked = EventFd.Create();
        using var connection = new Connection(new SignallingDevice());
        using var frontEnd = connection.Negotiate();
        Block(blocked);
        if (call)
        {
            guest.Calls[0].Dispose();
            guest.Calls[0] = EventFd.Create();
            Block(guest.Calls[0]);
        }
        else
        {
            frontEnd.SetVringError(0, blocked);
        }

        ushort[] bases = [];
        for (var i = 0; i < 3; i++)
        {
            guest.Start(frontEnd, bases);
            Assert.Equal([2], guest.Echo(1, [2]));
            bases = Guest.Stop(frontEnd);
        }
    }

    [Fact]
    public void A_signal_that_the_connection_s_thread_asks_for_arrives()
    {
        using var guest = new Guest();
        using var error = EventFd.Create();
        using var connection = new Connection(new SignallingDevice());
        using var frontEnd = connection.Negotiate();
        frontEnd.SetVringError(0, error);
        guest.Start(frontEnd);
        Assert.True(error.Wait(Connection.Patience));
        Assert.True(guest.Calls[0].Wait(Connection.Patience));
    }

    [Fact]
    public void However_often_descriptors_are_replaced_one_thread_signals_them()
    {
        using var guest = new Guest();
        using var connection = new Connection(new EchoDevice());
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        var seen = new HashSet<string>();
        for (var i = 0; i < 300; i++)
        {
            frontEnd.SetVringCall(i % 2, guest.Calls[i % 2]);
            seen.UnionWith(Helpers());
        }

        Assert.Single(seen);
        frontEnd.Dispose();
        Assert.Null(connection.WaitForEnd());
        Assert.True(SpinWait.SpinUntil(() => !Helpers().Any(), Connection.Patience), "The thread stays.");
    }

    [Fact]
    public void A_descriptor_that_blocks_holds_one_thread_however_often_it_is_signalled()
    {
        const int Threads = 20;
        using var guest = new Guest();
        var device = new KeepingDevice();
        using var connection = new Connection(device);
        using var frontEnd = connection.Negotiate();
        guest.Start(frontEnd);
        Assert.True(guest.Calls[0].Wait(Connection.Patience)); // made up for at the start, on a thread of its own
        Assert.True(guest.Calls[0].TryConsume());
        Block(guest.Calls[0]);
        using var returned = new SemaphoreSlim(0);
        var threads = Enumerable.Range(0, Threads).Select(_ => new Thread(() =>
        {
            device.Queue!.Call.Signal();
            returned.Release();
        })).ToList();

        threads.ForEach(thread => thread.Start());

        for (var i = 1; i < Threads; i++)
        {
            Assert.True(returned.Wait(Connection.Patience, TestContext.Current.CancellationToken), $"Only {i - 1} threads came back.");
        }

        Assert.False(returned.Wait(0, TestContext.Current.CancellationToken), "Nobody is held.");
        Assert.True(guest.Calls[0].TryConsume());
        threads.ForEach(thread => thread.Join());
        Assert.True(guest.Calls[0].TryConsume(), "The signal that was held is lost.");
    }

    private static IEnumerable<string> Helpers()
    {
        foreach (var task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            string name;
            try
            {
                name = File.ReadAllText(Path.Combine(task, "comm"));
            }
            catch (IOException)
            {
                continue; // it has ended meanwhile
            }

            if (name.StartsWith("vhost-user call", StringComparison.Ordinal))
            {
                yield return task;
            }
        }
    }

    /// <summary>Makes the next signal wait.</summary>
    private static void Block(EventFd signal)
    {
        using var copy = signal.Descriptor.Duplicate();
        using var file = new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(copy.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0);
        copy.SetNonBlocking(false);
        file.Write(MemoryMarshal.AsBytes<ulong>([ulong.MaxValue - 1]));
    }

    /// <summary>Signals where it must not wait.</summary>
    private sealed class SignallingDevice : EchoDevice
    {
        public override void QueueStarted(StartedQueue queue)
        {
            base.QueueStarted(queue);
            queue.Call.Signal();
            queue.ReportError();
        }
    }

    /// <summary>Hands its first queue out.</summary>
    private sealed class KeepingDevice : EchoDevice
    {
        public StartedQueue? Queue { get; private set; }

        public override void QueueStarted(StartedQueue queue)
        {
            base.QueueStarted(queue);
            Queue ??= queue;
        }
    }
}
