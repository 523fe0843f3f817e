// Group 1: a round trip between two processes that sleep while they wait.
using System.Buffers.Binary;
using System.Net.Sockets;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Peers;
using VirtioUser.Benchmarks.Processes;
using VirtioUser.Benchmarks.Reporting;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>Program, ping, callback, event, program: against what two eventfds take, and against what .NET has for it.</summary>
internal sealed class NativeRoundTrip() : BenchmarkGroup(1, "native round trip")
{
    /// <inheritdoc/>
    public override async Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken)
    {
        var programs = await NativePrograms.PrepareAsync(cancellationToken);
        await using var ours = await Pings.StartEchoAsync("virtio-user", TimeSpan.Zero);
        var backEnd = await programs.StartBackEndAsync();
        await using Contender native = new NativeContender("the same rings, both sides in C", programs.Driver, ["1", backEnd.SocketPath], backEnd);
        await using var socket = await StartSocketAsync();
        await using var grpc = await GrpcContender.StartAsync();
        List<Figure> figures = [];
        foreach (var placement in Placement.All)
        {
            await using Contender floor = new NativeContender("two eventfds, two processes in C", programs.Floors, ["eventfd", placement.Processor]);
            figures.AddRange(Compare(
                placement, await placement.MeasureAsync([ours, floor, native, socket, grpc], context.Rounds, context.BusyWith, cancellationToken)));
        }

        return figures;
    }

    private static Figure[] Compare(Placement placement, IReadOnlyList<Series> all)
    {
        var name = $"round trip{placement.Name}, p50";
        return
        [
            Figure.Of(name, Unit.Microseconds, all[0], all[1], isFloor: true),
            Figure.Of(name, Unit.Microseconds, all[0], all[2], isFloor: true, Goal.RatioAtMost(1.15)),
            Figure.Of(name, Unit.Microseconds, all[0], all[3], isFloor: false),
            // Nobody would bind gRPC's many threads: the goal is for its usual way.
            Figure.Of(name, Unit.Microseconds, all[0], all[4], isFloor: false, placement == Placement.Any ? Goal.RatioAtMost(1 / 3.0) : null),
        ];
    }

    private static async Task<Contender> StartSocketAsync()
    {
        var server = await ServerProcess.StartPeerAsync(PeerKind.Socket);
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(server.SocketPath));
        byte[] request = new byte[2 * sizeof(uint)], reply = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(request, sizeof(uint));
        uint number = 0;
        return new RoundTripContender(
            "Unix socket, C#",
            () =>
            {
                number = (number + 1) & 0xffff;
                BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(sizeof(uint)), number);
                socket.Send(request);
                for (var count = 0; count < reply.Length;)
                {
                    count += socket.Receive(reply.AsSpan(count));
                }

                Pings.Check(BinaryPrimitives.ReadUInt32LittleEndian(reply), Checksum.Fold(number));
            },
            [server.Id], socket, server);
    }
}
