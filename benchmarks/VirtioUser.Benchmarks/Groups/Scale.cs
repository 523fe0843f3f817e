// Group 5: what many instances, devices and objects cost; start-up and memory.
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;
using VirtioUser.Guest;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>The same operations with 1, 64, 1024 and 4096 instances open, each holding an object; a daemon of its own for each number.</summary>
internal sealed class Scale() : BenchmarkGroup(5, "scale")
{
    private const int ObjectLength = 4096;
    private const double MostAtLargest = 1.2;

    private static readonly int[] Sizes = [1, 64, 1024, 4096];

    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        List<Figure> figures = [.. await MeasureStartAsync(context, cancellationToken)];
        List<World> worlds = [];
        try
        {
            foreach (var size in Sizes)
            {
                context.BusyWith($"opening {size} instances");
                worlds.Add(await World.StartAsync(size));
            }

            figures.AddRange(await CompareAsync("round trip, p50", world => world.RoundTrip));
            figures.AddRange(await CompareAsync("memory object, allocate and free, p50", world => world.AllocateAndFree));
            figures.AddRange(await CompareAsync("instance, open and close, p50", world => world.OpenAndClose));
            figures.Add(new Figure
            {
                Name = $"memory with {Sizes[^1]} instances",
                Unit = Unit.Mebibytes,
                Ours = worlds[^1].Daemon.ResidentBytes() * Unit.Mebibytes.PerBase,
                IsFloor = true,
                Against = "with 1 instance",
                Other = worlds[0].Daemon.ResidentBytes() * Unit.Mebibytes.PerBase,
                Ratio = (double)worlds[^1].Daemon.ResidentBytes() / worlds[0].Daemon.ResidentBytes(),
            });
            return figures;
        }
        finally
        {
            foreach (var world in worlds)
            {
                await world.DisposeAsync();
            }
        }

        async Task<IEnumerable<Figure>> CompareAsync(string what, Func<World, Action> operation)
        {
            Contender[] contenders = [.. worlds.Select(world => new RoundTripContender(world.Name, operation(world), [world.Daemon.Id]))];
            var all = await Placement.Together.MeasureAsync(
                contenders, context.ShortRounds, text => context.BusyWith($"{what}, {text}"), cancellationToken);
            return all.Skip(1).Select((series, i) => Figure.Of(
                $"{what}{Placement.Together.Name}, {series.Name}", Unit.Microseconds, series, all[0], isFloor: true, i == Sizes.Length - 2 ? Goal.RatioAtMost(MostAtLargest) : null));
        }
    }

    private static async Task<IEnumerable<Figure>> MeasureStartAsync(RunContext context, CancellationToken cancellationToken)
    {
        await using StartContender daemon = new("virtio-userd", () => ServerProcess.StartDaemonAsync(TimeSpan.Zero, Pings.EchoProject));
        await using StartContender hello = new(
            "the smallest .NET program", () => ServerProcess.StartAsync(BuildOutput.PathOf("Hello", "VirtioUser.Benchmarks.Hello"), _ => []));
        var all = await context.Rounds.MeasureAsync([daemon, hello], context.BusyWith, cancellationToken);
        return
        [
            Figure.Of("start-up, until front-ends can connect", Unit.Milliseconds, all[0], all[1], isFloor: true, Goal.RatioAtMost(3)),
            new Figure
            {
                Name = "resident memory after start-up",
                Unit = Unit.Mebibytes,
                Ours = daemon.ResidentBytes * Unit.Mebibytes.PerBase,
                IsFloor = true,
                Against = hello.Name,
                Other = hello.ResidentBytes * Unit.Mebibytes.PerBase,
                Ratio = (double)daemon.ResidentBytes / hello.ResidentBytes,
                Goal = Goal.OursAtMost(60),
            },
        ];
    }

    /// <summary>Starts a program and ends it again.</summary>
    private sealed class StartContender(string name, Func<Task<ServerProcess>> start) : Contender(name)
    {
        /// <summary>What the program held in memory, the last time.</summary>
        public long ResidentBytes { get; private set; }

        public override async Task<Sample> MeasureAsync(TimeSpan turn)
        {
            await using var server = await start();
            ResidentBytes = server.ResidentBytes();
            return new Sample(server.StartTime.TotalNanoseconds, null, CpuTime.Of(server.Id), 1);
        }

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>A daemon with some instances open; from 2 on with all the devices that a daemon can have.</summary>
    private sealed class World : IAsyncDisposable
    {
        private const string ManyDevicesProject = "ManyDevices";

        private readonly DeviceSource _source;
        private readonly List<(VirtioUserDevice Device, SharedObject Memory)> _instances = [];
        private readonly DeviceNode _node;
        private int _next;

        private World(ServerProcess daemon)
        {
            Daemon = daemon;
            _source = DeviceSource.Daemon(daemon.SocketPath);
            _node = DeviceNode.Find(BenchmarkDevices.Vendor, BenchmarkDevices.Echo, source: _source);
        }

        public ServerProcess Daemon { get; }

        public string Name => _instances.Count == 1 ? "1 instance" : $"{_instances.Count} instances";

        /// <summary>Pings one instance after the other, about its object.</summary>
        public Action RoundTrip => () =>
        {
            _next = (_next + 1) % _instances.Count;
            (var device, var memory) = _instances[_next];
            Pings.Check(device.Ping(new PingRequest(memory, (ulong)_next)), (uint)_next);
        };

        public Action AllocateAndFree => () => _instances[0].Device.Allocate(ObjectLength).Dispose();

        public Action OpenAndClose => () => VirtioUserDevice.Open(_node).Dispose();

        public static async Task<World> StartAsync(int size)
        {
            World world = new(await ServerProcess.StartDaemonAsync(TimeSpan.Zero, size == 1 ? [Pings.EchoProject] : [Pings.EchoProject, ManyDevicesProject]));
            // Those that only echo.
            DeviceNode[] nodes = [.. world._source.List().Where(each => each.Identity.Device is not (BenchmarkDevices.Work or BenchmarkDevices.Checksum or BenchmarkDevices.Allocated))];
            for (var i = 0; i < size; i++)
            {
                var device = VirtioUserDevice.Open(nodes[i % nodes.Length]);
                world._instances.Add((device, device.Allocate(ObjectLength)));
            }

            return world;
        }

        public async ValueTask DisposeAsync()
        {
            _instances.ForEach(instance => instance.Device.Dispose());
            _source.Dispose();
            await Daemon.DisposeAsync();
        }
    }
}
