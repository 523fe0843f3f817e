// Group 6: from a program in the guest.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Peers;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>
/// One boot. Round trips and bulk, from a C# program in the guest to C# programs on the host: through virtio-user, a
/// virtio-serial port, and TCP over virtio-net with QEMU's own user-mode network.
/// </summary>
sealed class InTheVm() : BenchmarkGroup(6, "in the VM")
{
    const string ProgramFolderInGuest = "/opt/bench";
    const int MemoryMiB = 1024;

    // Above those that commands come in by.
    const int PortNumber = 30;

    static readonly TimeSpan PollTime = TimeSpan.FromMicroseconds(400);

    // Debian's guest has no program that would do this by itself. 10.0.2.2 is the host in QEMU's user-mode network.
    static readonly string Script = $"""
        set -e
        modprobe virtio_net
        until [ -e /sys/class/net/eth0 ] && [ -c "$(echo /dev/vport*p{PortNumber})" ]; do sleep 0.05; done
        /boot/busybox ip address add 10.0.2.15/24 dev eth0
        /boot/busybox ip link set eth0 up
        exec dotnet {ProgramFolderInGuest}/VirtioUser.Benchmarks.Guest.dll /dev/vport*p{PortNumber} 10.0.2.2:$0 $1
        """;

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        context.BusyWith("preparing the guest");
        GuestImage image = await GuestImage.PrepareAsync(cancellationToken: cancellationToken);
        await using ServerProcess daemon = await ServerProcess.StartDaemonAsync(PollTime, Pings.EchoProject);
        await using ServerProcess serial = await ServerProcess.StartPeerAsync(PeerKind.Socket), tcp = await ServerProcess.StartPeerAsync(PeerKind.Socket, "tcp");
        context.BusyWith("booting");
        await using VirtualMachine machine = await VirtualMachine.StartAsync(image, OptionsFor(daemon, serial), cancellationToken);
        await machine.LoadDriverAsync(cancellationToken: cancellationToken);
        TurnCollector turns = new([machine.ProcessId, daemon.Id, serial.Id, tcp.Id], context.BusyWith);
        GuestCommandResult result = await machine.RunAsync(
            ["sh", "-c", Script, tcp.Address, context.Quick ? "quick" : "full"], turns.OnLine, cancellationToken: cancellationToken);
        return result.ExitCode == 0
            ? [.. RoundTrips(turns), .. turns.Lengths.SelectMany(length => Bulk(turns, length))]
            : throw new VirtualMachineException($"The program in the guest ended with exit code {result.ExitCode}: {result.Error}\n{daemon.LastLines}");
    }

    static VirtualMachineOptions OptionsFor(ServerProcess daemon, ServerProcess serial) => new()
    {
        MemoryMiB = MemoryMiB,
        Devices = [new VhostUserDevice(daemon.SocketPath)],
        Shares = [new Share(BuildOutput.FolderOf("VirtioUser.Benchmarks.Guest"), ProgramFolderInGuest)],
        QemuArguments =
        [
            "-chardev", $"socket,id=bench-serial,path={serial.SocketPath}", "-device", "virtio-serial-pci,id=bench",
            "-device", $"virtserialport,bus=bench.0,chardev=bench-serial,nr={PortNumber}",
            "-netdev", "user,id=bench-net", "-device", "virtio-net-pci,netdev=bench-net,romfile=",
        ],
    };

    static IEnumerable<Figure> RoundTrips(TurnCollector turns)
    {
        Series ours = turns.Of(0, GuestTurn.Ours), serial = turns.Of(0, GuestTurn.Serial), tcp = turns.Of(0, GuestTurn.Tcp);
        Goal goal = Goal.RatioAtMost(1 / 3.0);
        return
        [
            Figure.Of("round trip, p50", Unit.Microseconds, ours, serial, isFloor: false, serial.Value <= tcp.Value ? goal : null),
            Figure.Of("round trip, p50", Unit.Microseconds, ours, tcp, isFloor: false, serial.Value <= tcp.Value ? null : goal),
        ];
    }

    static List<Figure> Bulk(TurnCollector turns, int length)
    {
        Series serial = turns.Of(length, GuestTurn.Serial), tcp = turns.Of(length, GuestTurn.Tcp), memcpy = turns.Of(length, GuestTurn.Memcpy);
        Series better = serial.Value >= tcp.Value ? serial : tcp;
        string size = length >= 1 << 20 ? $"{length >> 20} MiB" : $"{length >> 10} KiB";
        List<Figure> figures = [];
        foreach ((string contender, string what) in (ReadOnlySpan<(string, string)>)[(GuestTurn.Ours, "made in place"), (GuestTurn.OursCopied, "copied in")])
        {
            Series ours = turns.Of(length, contender);
            string name = $"messages of {size}, {what}";
            figures.Add(Figure.Of(name, Unit.MegabytesPerSecond, ours, better, isFloor: false, Goal.RatioAtLeast(10)));
            figures.Add(Figure.Of(name, Unit.MegabytesPerSecond, ours, memcpy, isFloor: true, Goal.RatioAtLeast(0.8)));
        }

        return figures;
    }

    /// <summary>Takes the guest's lines, each with the processor time that the host has spent since the line before.</summary>
    /// <param name="processes">All processes that work for the guest.</param>
    /// <param name="busyWith">Told what goes on.</param>
    sealed class TurnCollector(int[] processes, Action<string> busyWith)
    {
        readonly List<(GuestTurn Turn, Sample Sample)> all = [];
        TimeSpan before;

        /// <summary>The lengths of messages that were tried.</summary>
        public IEnumerable<int> Lengths => all.Select(each => each.Turn.Length).Where(length => length > 0).Distinct();

        public void OnLine(string line)
        {
            TimeSpan now = processes.Aggregate(TimeSpan.Zero, (sum, process) => sum + CpuTime.Of(process));
            if (GuestTurn.Parse(line) is { WarmUp: false } turn)
            {
                Latencies? latencies = turn.Length == 0 ? new Latencies(turn.P50, turn.P99, turn.P999, 0, turn.Operations) : null;
                all.Add((turn, new Sample(turn.Value, latencies, now - before, turn.Operations)));
                busyWith(turn.Length == 0 ? $"round trips over {turn.Contender}" : $"{turn.Length} bytes over {turn.Contender}");
            }

            before = now;
        }

        public Series Of(int length, string contender) => new(
            contender, [.. all.Where(each => each.Turn.Length == length && each.Turn.Contender == contender).Select(each => each.Sample)]);
    }
}
