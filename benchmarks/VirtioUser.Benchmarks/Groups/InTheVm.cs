// Group 6: from a program in the guest.
using System.Globalization;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Peers;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>
/// One boot. Round trips and bulk, from a C# program in the guest to C# programs on the host: through virtio-user, a vsock,
/// a virtio-serial port, and TCP over virtio-net with QEMU's own user-mode network.
/// </summary>
internal sealed class InTheVm() : BenchmarkGroup(6, "in the VM")
{
    private const string ProgramFolderInGuest = "/opt/bench";
    private const string SleepingProject = "ManyDevices";
    private const int MemoryMiB = 1024;

    // Above those that commands come in by.
    private const int PortNumber = 30;

    private static readonly TimeSpan PollTime = TimeSpan.FromMicroseconds(400);

    // Debian's guest has no program that would do this by itself. 10.0.2.2 is the host in QEMU's user-mode network.
    private static readonly string Script = $"""
        set -e
        modprobe virtio_net
        [ $1 = none ] || modprobe vmw_vsock_virtio_transport
        until [ -e /sys/class/net/eth0 ] && [ -c "$(echo /dev/vport*p{PortNumber})" ]; do sleep 0.05; done
        /boot/busybox ip address add 10.0.2.15/24 dev eth0
        /boot/busybox ip link set eth0 up
        exec dotnet {ProgramFolderInGuest}/VirtioUser.Benchmarks.Guest.dll /dev/vport*p{PortNumber} 10.0.2.2:$0 $1 {VsockDevice.BufferBytes} $2
        """;

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        context.BusyWith("preparing the guest");
        var image = await GuestImage.PrepareAsync(cancellationToken: cancellationToken);
        await using var vsock = await StartVsockAsync(context, cancellationToken);
        await using var polling = await ServerProcess.StartDaemonAsync(PollTime, Pings.EchoProject);
        await using var sleeping = await ServerProcess.StartDaemonAsync(TimeSpan.Zero, SleepingProject);
        await using ServerProcess serial = await ServerProcess.StartPeerAsync(PeerKind.Socket), tcp = await ServerProcess.StartPeerAsync(PeerKind.Socket, "tcp");
        context.BusyWith("booting");
        await using var machine = await VirtualMachine.StartAsync(image, OptionsFor([polling, sleeping], serial, vsock), cancellationToken);
        await machine.LoadDriverAsync(cancellationToken: cancellationToken);
        TurnCollector turns = new([machine.ProcessId, polling.Id, sleeping.Id, serial.Id, tcp.Id, .. vsock?.Processes ?? []], context.BusyWith);
        var vsockPort = vsock is null ? "none" : VsockPeer.Port.ToString(CultureInfo.InvariantCulture);
        var result = await machine.RunAsync(
            ["sh", "-c", Script, tcp.Address, vsockPort, context.Quick ? "quick" : "full"], turns.OnLine, cancellationToken: cancellationToken);
        return result.ExitCode == 0
            ? [.. RoundTrips(turns), .. turns.Lengths.SelectMany(length => Bulk(turns, length))]
            : throw new VirtualMachineException($"The program in the guest ended with exit code {result.ExitCode}: {result.Error}\n{polling.LastLines}");
    }

    private static async Task<VsockPeer?> StartVsockAsync(RunContext context, CancellationToken cancellationToken)
    {
        context.BusyWith("preparing a vsock");
        try
        {
            return await VsockPeer.StartAsync(cancellationToken);
        }
        catch (SetupException e)
        {
            context.LeaveOut(LeftOut.Because($"all figures against {GuestTurn.Vsock}", e));
            return null;
        }
    }

    private static VirtualMachineOptions OptionsFor(IEnumerable<ServerProcess> daemons, ServerProcess serial, VsockPeer? vsock) => new()
    {
        MemoryMiB = MemoryMiB,
        Devices = [.. daemons.Select(daemon => new VhostUserDevice(daemon.SocketPath))],
        Shares = [new Share(BuildOutput.FolderOf("VirtioUser.Benchmarks.Guest"), ProgramFolderInGuest)],

        // On a busy host the kernel's watchdog may think ill of the TSC; the clocks that are left cost a microsecond and more.
        KernelArguments = ["tsc=reliable"],
        QemuArguments =
        [
            "-chardev", $"socket,id=bench-serial,path={serial.SocketPath}", "-device", "virtio-serial-pci,id=bench",
            "-device", $"virtserialport,bus=bench.0,chardev=bench-serial,nr={PortNumber}",
            "-netdev", "user,id=bench-net", "-device", "virtio-net-pci,netdev=bench-net,romfile=",
            .. vsock?.QemuArguments ?? [],
        ],
    };

    private static IEnumerable<Figure> RoundTrips(TurnCollector turns)
    {
        const string polling = "the host polling", sleeping = "the host sleeping";
        var peers = turns.Peers(0);
        var best = peers.MinBy(peer => peer.Value)!;
        var goal = Goal.RatioAtMost(0.1);
        foreach ((var contender, var how) in ((string, string)[])[(GuestTurn.Ours, polling), (GuestTurn.OursSleeping, sleeping)])
        {
            var ours = turns.Of(0, contender);
            foreach (var peer in peers)
            {
                yield return Figure.Of($"round trip, p50, {how}", Unit.Microseconds, ours, peer, isFloor: false, peer == best ? goal : null);
                yield return Figure.Of($"round trip, p99, {how}", Unit.Microseconds, Tail(ours), Tail(peer), isFloor: false);
            }
        }

        static Series Tail(Series series) => series.By(sample => sample.Latencies!.P99);
    }

    private static IEnumerable<Figure> Bulk(TurnCollector turns, int length)
    {
        var peers = turns.Peers(length);
        var best = peers.MaxBy(peer => peer.Value)!;
        var memcpy = turns.Of(length, GuestTurn.Memcpy);
        var size = length >= 1 << 20 ? $"{length >> 20} MiB" : $"{length >> 10} KiB";
        foreach ((var contender, var how) in ((string, string)[])[(GuestTurn.Ours, "made in place"), (GuestTurn.OursCopied, "copied in")])
        {
            var ours = turns.Of(length, contender);
            var name = $"messages of {size}, {how}";
            foreach (var peer in peers.Where(peer => peer == best || peer.Name is GuestTurn.Vsock or GuestTurn.Serial))
            {
                yield return Figure.Of(name, Unit.MegabytesPerSecond, ours, peer, isFloor: false, peer == best ? Goal.RatioAtLeast(10) : null);
            }

            yield return Figure.Of(name, Unit.MegabytesPerSecond, ours, memcpy, isFloor: true, Goal.RatioAtLeast(0.8));
        }
    }

    /// <summary>Takes the guest's lines, each with the processor time that the host has spent since the line before.</summary>
    /// <param name="processes">All processes that work for the guest.</param>
    /// <param name="busyWith">Told what goes on.</param>
    private sealed class TurnCollector(int[] processes, Action<string> busyWith)
    {
        private readonly List<(GuestTurn Turn, Sample Sample)> _all = [];
        private TimeSpan _before;

        /// <summary>The lengths of messages that were tried.</summary>
        public IEnumerable<int> Lengths => _all.Select(each => each.Turn.Length).Where(length => length > 0).Distinct();

        public void OnLine(string line)
        {
            var now = processes.Aggregate(TimeSpan.Zero, (sum, process) => sum + CpuTime.Of(process));
            if (GuestTurn.Parse(line) is { WarmUp: false } turn)
            {
                var latencies = turn.Length == 0 ? new Latencies(turn.P50, turn.P99, turn.P999, 0, turn.Operations) : null;
                _all.Add((turn, new Sample(turn.Value, latencies, now - _before, turn.Operations)));
                busyWith(turn.Length == 0 ? $"round trips over {turn.Contender}" : $"{turn.Length} bytes over {turn.Contender}");
            }

            _before = now;
        }

        /// <summary>The other ways, those that were tried.</summary>
        public IReadOnlyList<Series> Peers(int length) =>
            [.. ((string[])[GuestTurn.Vsock, GuestTurn.Serial, GuestTurn.Tcp]).Select(name => Of(length, name)).Where(series => series.Samples.Count > 0)];

        public Series Of(int length, string contender) => new(
            contender, [.. _all.Where(each => each.Turn.Length == length && each.Turn.Contender == contender).Select(each => each.Sample)]);
    }
}
