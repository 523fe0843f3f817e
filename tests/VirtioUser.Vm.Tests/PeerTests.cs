// What the benchmarks compare with must be as good as it can be.
using System.Net.Sockets;
using System.Text;

namespace VirtioUser.Vm.Tests;

/// <summary>A VM with a vsock, for all tests of the class.</summary>
public sealed class VsockVm : IAsyncLifetime
{
    private VsockDevice? _vsock;
    private VirtualMachine? _machine;

    internal VirtualMachine Machine => _machine!;

    /// <summary>The vsock; the test is skipped where its package is not to be had.</summary>
    internal VsockDevice Vsock
    {
        get
        {
            Assert.SkipWhen(_vsock is null, WhyNot);
            return _vsock!;
        }
    }

    private string WhyNot { get; set; } = "";

    public async ValueTask InitializeAsync()
    {
        var cancelled = TestContext.Current.CancellationToken;
        try
        {
            _vsock = await VsockDevice.StartAsync(await VsockDeviceTree.PrepareAsync(cancellationToken: cancelled), cancelled);
        }
        catch (SetupException e)
        {
            WhyNot = e.Message;
        }

        _machine = await VirtualMachine.StartAsync(
            await GuestImage.PrepareAsync(cancellationToken: cancelled), new VirtualMachineOptions { QemuArguments = _vsock?.QemuArguments ?? [] }, cancelled);
    }

    public async ValueTask DisposeAsync()
    {
        if (_machine is not null)
        {
            await _machine.DisposeAsync();
        }

        if (_vsock is not null)
        {
            await _vsock.DisposeAsync();
        }
    }
}

public sealed class PeerTests(VsockVm vm) : IClassFixture<VsockVm>
{
    private const uint Port = 5001;

    // AF_VSOCK, SOCK_STREAM; struct sockaddr_vm with the host's CID.
    private const string Connect = "my $s; socket($s, 40, 1, 0) && connect($s, pack('SSLLx4', 40, 0, $ARGV[0], 2)) or die $!;";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_emulated_guest_does_not_believe_in_a_fast_copy_by_bytes()
    {
        Assert.SkipWhen(HostTools.HasKvm(), "The guest is not emulated.");
        var result = await vm.Machine.RunAsync("grep -m 1 ^flags /proc/cpuinfo", cancellationToken: Cancelled);
        var flags = result.Output.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        Assert.Contains("avx2", flags); // otherwise it is all that QEMU can emulate
        Assert.DoesNotContain("erms", flags);
        Assert.DoesNotContain("fsrm", flags);
    }

    [Fact]
    public async Task A_program_in_the_guest_reaches_one_on_the_host_by_a_vsock()
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(vm.Vsock.HostSocket(Port)));
        listener.Listen();
        var answered = AnswerAsync(listener);
        Assert.Equal(0, (await vm.Machine.RunAsync("modprobe vmw_vsock_virtio_transport", cancellationToken: Cancelled)).ExitCode);

        var result = await vm.Machine.RunAsync(
            ["perl", "-e", Connect + "syswrite($s, 'from the guest'); sysread($s, my $answer, 100); print $answer;", $"{Port}"], cancellationToken: Cancelled);

        Assert.Equal(("from the host", "", 0), (result.Output, result.Error, result.ExitCode));
        Assert.Equal("from the guest", await answered);
    }

    private static async Task<string> AnswerAsync(Socket listener)
    {
        using var connection = await listener.AcceptAsync(Cancelled);
        var buffer = new byte[100];
        var count = await connection.ReceiveAsync(buffer, Cancelled);
        await connection.SendAsync(Encoding.ASCII.GetBytes("from the host"), Cancelled);
        return Encoding.ASCII.GetString(buffer, 0, count);
    }
}
