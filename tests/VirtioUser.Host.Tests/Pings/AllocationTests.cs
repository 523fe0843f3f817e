// The ping path allocates nothing.
using VirtioUser.Host.Events;
using VirtioUser.Host.Pings;
using VirtioUser.Host.Tests.Support;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Pings;

public class AllocationTests
{
    private const int WarmUp = 10_000;
    private const int Measured = 110_000;

    [Theory]
    [InlineData(0u, false)]
    [InlineData(1u, false)]
    [InlineData(0u, true)]
    [InlineData(1u, true)]
    public void A_hundred_thousand_pings_allocate_nothing(uint events, bool mayBeAsynchronous)
    {
        var calls = 0;
        long before = 0, after = -1;
        int firstThread = 0, lastThread = -1;
        using var done = new ManualResetEventSlim();
        var device = new ScriptedDevice(_ => mayBeAsynchronous
            ? new AsyncInstance((ping, _) => new(OnPing(ping.Bytes)))
            : new ScriptedInstance((in ping) => OnPing(ping.Bytes)));

        uint OnPing(Span<byte> bytes)
        {
            bytes[0]++;
            calls++;
            if (calls == WarmUp)
            {
                (before, firstThread) = (GC.GetAllocatedBytesForCurrentThread(), Environment.CurrentManagedThreadId);
            }
            else if (calls == Measured)
            {
                (after, lastThread) = (GC.GetAllocatedBytesForCurrentThread(), Environment.CurrentManagedThreadId);
                done.Set();
            }

            return 1;
        }

        // One thread does all, so that all of the path is seen.
        using var host = new TestHost(device, new HostOptions { MaxWorkers = 1 }, attach: false);
        host.Model.AttachEvents(new Sink());
        var handle = host.Open();
        var made = host.Allocate(handle);
        host.WaitUntilQuiet(); // a thread that came for the event queue would take pings too, and two threads would wait for each other
        host.Model.AttachPings(
            new Source(new PingMessage { InstanceHandle = handle, Events = events, ShmId = made.ShmId, ShmSize = 8 }, Measured));

        Patience.Wait(done, "the last ping");
        host.Close(handle); // returns when the last callback has, with its answer
        host.Model.DetachPings();
        host.Model.DetachEvents();

        Assert.Equal(firstThread, lastThread);
        Assert.Equal(0, after - before);
        Assert.Equal(events * Measured, host[Counter.Events]);
    }

    /// <summary>The same ping again and again.</summary>
    private sealed class Source(PingMessage ping, int count) : IPingQueue
    {
        private int _sent;

        public bool HasNext => _sent < count;

        public PingTake TryTake(ref PingMessage message, out ushort head, ref int budget)
        {
            head = 0;
            if (_sent == count)
            {
                return PingTake.Empty;
            }

            _sent++;
            budget--;
            message = ping;
            return PingTake.Taken;
        }

        public bool ArmKick() => true;

        public void Return(ushort head)
        {
        }

        public void DisarmKick()
        {
        }

        public bool MustSignal() => false;

        public void Signal()
        {
        }
    }

    private sealed class Sink : IEventQueue
    {
        public bool HasMore => false;

        public bool TryPut(in EventMessage message) => true;

        public bool MustSignal() => true;

        public void Signal()
        {
        }
    }
}
