// What the driver makes of a host that answers wrongly, never, or unasked.
using System.Globalization;
using System.Runtime.InteropServices;
using VirtioUser.Protocol;

namespace VirtioUser.Vm.Tests;

public sealed class WrongHostTests : IAsyncLifetime
{
    private const int ENOENT = 2, EIO = 5, ENXIO = 6, ENOMEM = 12, EINVAL = 22, EPROTO = 71;

    // The uapi header's numbers; perl is in every Debian.
    private const string Open = "sysopen(my $f, '/dev/virtio-user/1234:0001:01', 2) or do { print $!+0; exit };";
    private const string Allocate = "my $b = pack('QQQLL', 0, 0, 8192, 0, 0); ioctl($f, 0xC020BE01, $b) or do { print $!+0; exit };";
    private const string Statistics = "/sys/bus/virtio/drivers/virtio_user/virtio*/statistics/";

    private static readonly DeviceIdentity First = new(0x1234, 1, 1), Second = new(0x1234, 2, 1);

    private readonly ScriptedHost _host;
    private DeviceIdentity[] _offered = [First];
    private ulong _handle, _objects;
    private VirtualMachine? _machine;

    public WrongHostTests() => _host = new ScriptedHost(Rightly);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _machine = await VirtualMachine.StartAsync(
            await GuestImage.PrepareAsync(cancellationToken: Cancelled), new VirtualMachineOptions { Devices = [new VhostUserDevice(_host.SocketPath)] }, Cancelled);
        await _machine.LoadDriverAsync(cancellationToken: Cancelled);
    }

    public async ValueTask DisposeAsync()
    {
        if (_machine is not null)
        {
            await _machine.DisposeAsync();
        }

        _host.Dispose();
    }

    [Fact]
    public async Task An_open_fails_as_the_reply_says_and_with_EPROTO_if_it_makes_no_sense()
    {
        await ExpectAsync(ENXIO, Open, WithError(1));
        await ExpectAsync(EIO, Open, WithError(2));
        await ExpectAsync(EINVAL, Open, WithError(8));
        await ExpectAsync(EPROTO, Open, WithError(9));
        await ExpectAsync(EPROTO, Open, WithError(uint.MaxValue));
        await ExpectAsync(EPROTO, Open, (ref ConfigMessage reply) => reply.InstanceHandle = 0);
        await ExpectAsync(EPROTO, Open, (ref ConfigMessage reply) => reply.Operation = ConfigOperation.DestroyInstance);
        await ExpectAsync(EPROTO, Open, (ref ConfigMessage reply) => reply.FirstDevice = First with { Version = 2 });
        await ExpectAsync(EPROTO, Open, (ref ConfigMessage reply) => reply.Tag ^= 1UL << 63);
        await ExpectAsync(EPROTO, Open, reply => reply[..^1]);
        await ExpectAsync(EPROTO, Open, _ => []);

        // A handle that another program's instance has.
        await ExpectAsync(EPROTO, $"{Open} my $held = $f; {Open}", (ref ConfigMessage reply) => reply.InstanceHandle = 7);

        Assert.Equal("0", await PerlAsync($"{Open} print 0;"));
        Assert.Empty(_machine!.KernelComplaints);
    }

    [Fact]
    public async Task An_allocation_fails_as_the_reply_says_and_with_EPROTO_if_the_driver_could_not_use_it()
    {
        await ExpectAsync(ENOMEM, Open + Allocate, WithError(3));
        await ExpectAsync(ENOENT, Open + Allocate, WithError(4));
        await ExpectAsync(EPROTO, Open + Allocate, WithError(99));
        await ExpectAsync(EPROTO, Open + Allocate, (ref ConfigMessage reply) => reply.ShmId = 0);
        await ExpectAsync(EPROTO, Open + Allocate, (ref ConfigMessage reply) => reply.ShmSize = 0);
        await ExpectAsync(EPROTO, Open + Allocate, (ref ConfigMessage reply) => reply.ShmSize = 4096);
        await ExpectAsync(EPROTO, Open + Allocate, (ref ConfigMessage reply) => reply.ShmSize = ulong.MaxValue);
        await ExpectAsync(EPROTO, Open + Allocate, (ref ConfigMessage reply) => reply.ShmOffset = 1);
        await ExpectAsync(EPROTO, Open + Allocate, (ref ConfigMessage reply) => reply.ShmOffset = ScriptedHost.ArenaLength);
        await ExpectAsync(EPROTO, Open + Allocate, (ref ConfigMessage reply) => reply.ShmOffset = ScriptedHost.ArenaLength - 4096);
        await ExpectAsync(EPROTO, Open + Allocate, (ref ConfigMessage reply) => reply.ShmOffset = ulong.MaxValue - 4095);

        // The same bytes, or bytes that overlap, for a second time.
        var twice = $"{Open} {Allocate} my $held = $f; {Open} {Allocate}";
        await ExpectAsync(EPROTO, twice, (ref ConfigMessage reply) => reply.ShmOffset = 8192);
        ulong times = 0;
        await ExpectAsync(EPROTO, twice, (ref ConfigMessage reply) => reply.ShmOffset = 4096 * times++);

        Assert.Equal("0", await PerlAsync($"{Open} {Allocate} print 0;"));
        Assert.Empty(_machine!.KernelComplaints);
    }

    [Fact]
    public async Task A_program_that_waits_for_a_silent_host_can_be_killed_and_what_was_made_for_it_is_taken_back()
    {
        TaskCompletionSource asked = new(TaskCreationOptions.RunContinuationsAsynchronously), destroyed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var tag = 0UL;
        _host.Answer = request =>
        {
            if (request.Operation == ConfigOperation.CreateInstance && !asked.Task.IsCompleted)
            {
                tag = request.Tag;
                asked.SetResult();
                return null;
            }

            if (request is { Operation: ConfigOperation.DestroyInstance, InstanceHandle: 1000 })
            {
                destroyed.SetResult();
            }

            return Rightly(request);
        };
        var opening = await _machine!.StartCommandAsync(["perl", "-e", Open], cancellationToken: Cancelled);
        await asked.Task.WaitAsync(Cancelled);
        await opening.SignalAsync("KILL");
        Assert.NotEqual(0, (await opening.WaitAsync(Cancelled)).ExitCode);

        ConfigMessage late = new() { Operation = ConfigOperation.CreateInstance, DeviceCount = 1, InstanceHandle = 1000, FirstDevice = First, Tag = tag };
        _host.Reply(Bytes(late));
        await destroyed.Task.WaitAsync(Cancelled);
        Assert.Equal("0", await PerlAsync($"{Open} print 0;"));
        Assert.Empty(_machine.KernelComplaints);
    }

    [Fact]
    public async Task Events_that_nobody_asked_for_or_that_are_no_events_are_dropped_and_counted()
    {
        TaskCompletionSource opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var reader = await _machine!.StartCommandAsync(
            ["perl", "-e", $"$| = 1; {Open} print qq(opened\\n); sysread($f, my $b, 400); print unpack('V*', $b);"],
            _ => opened.TrySetResult(), cancellationToken: Cancelled);
        await opened.Task.WaitAsync(Cancelled);

        _host.SendEvent(new EventMessage(_handle + 1, Revents.Unsolicited)); // of nobody
        _host.SendEvent(new EventMessage(0, 1));
        _host.SendEvent(new EventMessage(_handle, 1)); // answers to no ping
        _host.SendEvent(new EventMessage(_handle, Revents.Failed));
        _host.SendEvent([1, 2, 3]);
        _host.SendEvent([]);
        _host.SendEvent(new EventMessage(_handle, Revents.Notice | 99)); // a notice of days to come
        _host.SendEvent(new EventMessage(_handle, Revents.PingsInterrupted(7)));
        _host.SendEvent(new EventMessage(_handle, Revents.Unsolicited | 5));

        var result = await reader.WaitAsync(Cancelled);
        Assert.Equal((Revents.Unsolicited | 5).ToString(CultureInfo.InvariantCulture), result.Output.Split('\n')[1]);
        Assert.Equal("2", await RunAsync($"cat {Statistics}events_without_instance"));
        Assert.Equal("2", await RunAsync($"cat {Statistics}answers_unasked"));
        Assert.Equal("3", await RunAsync($"cat {Statistics}events_malformed"));
        Assert.Empty(_machine.KernelComplaints);
    }

    [Fact]
    public async Task A_ping_that_waits_gets_one_answer_however_many_come()
    {
        const string Ping = "my $b = pack('QQQQLL', 0, 0, 0, 0, 1, 1000000); my $r = ioctl($f, 0xC028BE00, $b) or do { print $!+0; exit };";
        const string ReadOne = "sysread($f, my $e, 4); print unpack('V', $e), qq(\\n);";
        TaskCompletionSource opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
        var caller = await _machine!.StartCommandAsync(
            ["perl", "-e", $"$| = 1; {Open} print qq(opened\\n); {Ping} if ($r == 1) {{ print unpack('x32V', $b), qq(\\n) }} else {{ {ReadOne} }} {ReadOne}"],
            _ => opened.TrySetResult(), cancellationToken: Cancelled);
        await opened.Task.WaitAsync(Cancelled);
        while (await RunAsync($"cat {Statistics}pings") == "0")
        {
            Cancelled.ThrowIfCancellationRequested();
        }

        _host.SendEvent(new EventMessage(_handle, 7));
        _host.SendEvent(new EventMessage(_handle, 8));
        _host.SendEvent(new EventMessage(_handle, Revents.Failed));
        _host.SendEvent(new EventMessage(_handle, Revents.Unsolicited | 5));

        var result = await caller.WaitAsync(Cancelled);
        Assert.Equal(["7", $"{Revents.Unsolicited | 5}"], result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[1..]);
        Assert.Equal("2", await RunAsync($"cat {Statistics}answers_unasked"));
        Assert.Empty(_machine.KernelComplaints);
    }

    [Fact]
    public async Task Nodes_come_and_go_with_the_devices_and_a_senseless_list_changes_nothing()
    {
        await ChangeAsync(First, Second);
        Assert.Equal("1234:0001:01\n1234:0002:01", await RunAsync("ls /dev/virtio-user"));
        await ChangeAsync(Second, Second);
        Assert.Equal("1234:0001:01\n1234:0002:01", await RunAsync("ls /dev/virtio-user"));
        await ChangeAsync(First);
        Assert.Equal("1234:0001:01", await RunAsync("ls /dev/virtio-user"));
        Assert.Equal("1", await RunAsync($"cat {Statistics}replies_malformed"));
        Assert.Empty(_machine!.KernelComplaints);
    }

    [Fact]
    public async Task A_list_of_several_pages_is_taken_as_a_whole_or_not_at_all()
    {
        DeviceIdentity[] many = [First, .. Enumerable.Range(100, 99).Select(id => new DeviceIdentity(0x1234, (uint)id, 1))];
        await ChangeAsync(many);
        Assert.Equal("100", await RunAsync("ls /dev/virtio-user | wc -l"));

        // The same device on two pages; a list that stops; one that is too long.
        await ChangeAsync([.. many, First]);
        await ChangeAsync((ref ConfigMessage reply) => reply.DeviceCount = reply.DeviceCount == 4 ? 0 : reply.DeviceCount, many);
        await ChangeAsync((ref ConfigMessage reply) => reply.ShmId = 4097, First);
        Assert.Equal("3", await RunAsync($"cat {Statistics}replies_malformed"));
        Assert.Equal("100", await RunAsync("ls /dev/virtio-user | wc -l"));

        // It changes once on the way: the driver begins anew. It always changes: the driver gives up.
        var pages = 0;
        await ChangeAsync((ref ConfigMessage reply) => reply.ShmId -= ++pages == 1 ? 1u : 0u, many[..40]);
        Assert.Equal((4, "40"), (pages, await RunAsync("ls /dev/virtio-user | wc -l")));
        await ChangeAsync((ref ConfigMessage reply) => reply.ShmId = 33 + ((ulong)++pages % 2), many);
        Assert.Equal("4", await RunAsync($"cat {Statistics}replies_malformed"));

        await ChangeAsync(First);
        Assert.Equal("1234:0001:01", await RunAsync("ls /dev/virtio-user"));
        Assert.Empty(_machine!.KernelComplaints);
    }

    // Has the driver ask for the devices, and waits until it has made of the list what it wants to.
    private Task ChangeAsync(params DeviceIdentity[] devices) => ChangeAsync((ref ConfigMessage _) => { }, devices);

    private async Task ChangeAsync(Change change, params DeviceIdentity[] devices)
    {
        TaskCompletionSource enumerated = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _offered = devices;
        _host.Answer = request =>
        {
            if (request.Operation != ConfigOperation.EnumerateDevices)
            {
                return Rightly(request);
            }

            enumerated.TrySetResult();
            var reply = Rightly(request);
            change(ref MemoryMarshal.AsRef<ConfigMessage>(reply.AsSpan()));
            return reply;
        };
        _host.ChangeConfiguration();
        await enumerated.Task.WaitAsync(Cancelled);

        // One exchange at a time: this one is behind that.
        Assert.Equal("0", await PerlAsync($"{Open} print 0;"));
    }

    private delegate void Change(ref ConfigMessage reply);

    private static Change WithError(uint error) => (ref ConfigMessage reply) => reply.Error = (ConfigError)error;

    private Task ExpectAsync(int errno, string script, Change change) => ExpectAsync(errno, script, bytes =>
    {
        change(ref MemoryMarshal.AsRef<ConfigMessage>(bytes.AsSpan()));
        return bytes;
    });

    // The last request that the script causes before it ends, create or allocate, gets a changed reply.
    private async Task ExpectAsync(int errno, string script, Func<byte[], byte[]> change)
    {
        var changed = script.Contains(Allocate, StringComparison.Ordinal) ? ConfigOperation.AllocateMemory : ConfigOperation.CreateInstance;
        _host.Answer = request => request.Operation == changed ? change(Rightly(request)) : Rightly(request);
        Assert.Equal(errno.ToString(CultureInfo.InvariantCulture), await PerlAsync(script + " print 0;"));
        _host.Answer = Rightly;
    }

    private Task<string> PerlAsync(string script) => RunAsync($"perl -e \"{script.Replace("$", "\\$", StringComparison.Ordinal)}\"");

    private async Task<string> RunAsync(string script)
    {
        var result = await _machine!.RunAsync(script, cancellationToken: Cancelled);
        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        return result.Output.Trim();
    }

    // As a host should; every object lies behind the one before.
    private byte[] Rightly(ConfigMessage request)
    {
        ConfigMessage reply = new() { Operation = request.Operation, Tag = request.Tag };
        switch (request.Operation)
        {
            case ConfigOperation.EnumerateDevices:
                var left = _offered.Skip((int)request.DeviceCount).Take(Limits.DevicesInMessage).ToList();
                (reply.DeviceCount, reply.ShmId) = ((uint)left.Count, (ulong)_offered.Length);
                for (var i = 0; i < left.Count; i++)
                {
                    reply.SetDevice(i, left[i]);
                }

                break;
            case ConfigOperation.CreateInstance:
                (reply.DeviceCount, reply.FirstDevice, reply.InstanceHandle) = (1, request.FirstDevice, ++_handle);
                break;
            case ConfigOperation.AllocateMemory:
                (reply.ShmId, reply.ShmOffset, reply.ShmSize) = (++_objects, _objects * 8192, 8192);
                break;
        }

        return Bytes(reply);
    }

    private static byte[] Bytes(ConfigMessage message) => MemoryMarshal.AsBytes(new ReadOnlySpan<ConfigMessage>(in message)).ToArray();
}
