// Both config queues between a test and the device model, in one process.
using System.Collections.Concurrent;
using VirtioUser.Host.Config;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Tests.Support;

/// <summary>A driver's side of the config queues. It kicks only where the host has asked for it.</summary>
internal sealed class FakeConfigQueues : IDisposable
{
    private readonly TestHost _host;
    private readonly ConcurrentQueue<string> _faults = new();
    private readonly Requests _requests;
    private readonly Replies _replies;

    public FakeConfigQueues(TestHost host, int buffers = int.MaxValue)
    {
        _host = host;
        _requests = new Requests(this);
        _replies = new Replies(this, buffers);
    }

    /// <summary>How many requests the host has not taken.</summary>
    public int Waiting => _requests.Count;

    /// <summary>The driver starts, and the guest sees the arena.</summary>
    public FakeConfigQueues Start()
    {
        _host.Model.Config.Attach(_replies);
        _host.Model.Config.Attach(_requests);
        _host.Model.Config.SetOpen(true);
        return this;
    }

    public void Detach()
    {
        _host.Model.Config.DetachRequests();
        _host.Model.Config.DetachReplies();
        _requests.IsClosed = _replies.IsClosed = true;
    }

    public void Send(in ConfigMessage request)
    {
        var bytes = new byte[ConfigMessage.Size];
        request.Write(bytes);
        Send(bytes);
    }

    public void Send(byte[] request) => _requests.Put(request);

    public void Create(ulong tag, DeviceIdentity? identity = null) =>
        Send(new ConfigMessage { Operation = ConfigOperation.CreateInstance, DeviceCount = 1, FirstDevice = identity ?? ScriptedDevice.Default, Tag = tag });

    public void Allocate(ulong tag, ulong handle) =>
        Send(new ConfigMessage { Operation = ConfigOperation.AllocateMemory, InstanceHandle = handle, ShmSize = 4096, Tag = tag });

    /// <summary>Waits for the next reply.</summary>
    public ConfigMessage Next() => _replies.Next();

    /// <summary>Makes an exchange with nothing else in flight.</summary>
    public ConfigMessage Ask(in ConfigMessage request)
    {
        Send(in request);
        return Next();
    }

    /// <summary>The driver offers more room for replies.</summary>
    public void AddBuffers(int count) => _replies.AddBuffers(count);

    public void Dispose()
    {
        Detach();
        Assert.Empty(_faults);
    }

    private void Kick() => _host.Post(_host.Model.Config);

    private sealed class Requests(FakeConfigQueues queues) : IRequestQueue
    {
        private readonly ConcurrentQueue<byte[]> _sent = new();
        private readonly OneAtATime _touching = new("the request queue", queues._faults);
        private int _armed;

        public bool IsClosed { get; set; }

        public int Count => _sent.Count;

        public void Put(byte[] request)
        {
            _sent.Enqueue(request);
            if (Interlocked.Exchange(ref _armed, 0) != 0)
            {
                queues.Kick();
            }
        }

        public bool TryTake(Span<byte> bytes, out int length)
        {
            Touch();
            length = 0;
            var taken = _sent.TryDequeue(out var request);
            if (taken)
            {
                length = Math.Min(request!.Length, bytes.Length);
                request.AsSpan(0, length).CopyTo(bytes);
            }

            _touching.Leave();
            return taken;
        }

        public bool ArmKick()
        {
            Touch();
            Interlocked.Exchange(ref _armed, 1);
            _touching.Leave();
            return _sent.IsEmpty;
        }

        public bool MustSignal() => false;

        public void Signal()
        {
        }

        private void Touch()
        {
            _touching.Enter();
            if (IsClosed)
            {
                queues._faults.Enqueue("the request queue was touched after it was detached");
            }
        }
    }

    private sealed class Replies(FakeConfigQueues queues, int buffers) : IReplyQueue
    {
        private readonly BlockingCollection<ConfigMessage> _seen = [];
        private readonly List<ConfigMessage> _put = [];
        private readonly OneAtATime _touching = new("the reply queue", queues._faults);
        private int _buffers = buffers;

        public bool IsClosed { get; set; }

        public bool HasMore => false;

        public ConfigMessage Next()
        {
            Assert.True(_seen.TryTake(out var reply, Patience.Limit), "Waited in vain for a reply.");
            return reply;
        }

        public void AddBuffers(int count)
        {
            Interlocked.Add(ref _buffers, count);
            queues.Kick();
        }

        public bool TryPut(in ConfigMessage reply)
        {
            Touch();
            var fits = Volatile.Read(ref _buffers) > 0;
            if (fits)
            {
                Interlocked.Decrement(ref _buffers);
                _put.Add(reply);
            }

            _touching.Leave();
            return fits;
        }

        // A reply is seen when the host asks whether to signal: a forgotten question is a lost reply.
        public bool MustSignal()
        {
            Touch();
            var must = _put.Count > 0;
            lock (_seen)
            {
                _put.ForEach(_seen.Add);
            }

            _put.Clear();
            _touching.Leave();
            return must;
        }

        public void Signal()
        {
        }

        private void Touch()
        {
            _touching.Enter();
            if (IsClosed)
            {
                queues._faults.Enqueue("the reply queue was touched after it was detached");
            }
        }
    }
}
