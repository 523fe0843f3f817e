// The gRPC peer's side of the program.
using System.Net.Sockets;
using Grpc.Net.Client;
using VirtioUser.Benchmarks.Groups;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;

namespace VirtioUser.Benchmarks.Peers;

/// <summary>Unary calls over a Unix socket, with the client that Microsoft's documentation sets up.</summary>
sealed class GrpcContender : Contender
{
    readonly ServerProcess server;
    readonly GrpcChannel channel;
    readonly Echo.EchoClient client;
    uint number;

    GrpcContender(ServerProcess server)
        : base("gRPC over a Unix socket, C#")
    {
        this.server = server;
        UnixDomainSocketEndPoint endPoint = new(server.SocketPath);
        channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellationToken) =>
                {
                    Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    try
                    {
                        await socket.ConnectAsync(endPoint, cancellationToken);
                        return new NetworkStream(socket, ownsSocket: true);
                    }
                    catch
                    {
                        socket.Dispose();
                        throw;
                    }
                },
            },
            DisposeHttpClient = true,
        });
        client = new Echo.EchoClient(channel);
    }

    /// <summary>Starts the server and connects.</summary>
    public static async Task<Contender> StartAsync() => new GrpcContender(await ServerProcess.StartPeerAsync(PeerKind.Grpc));

    /// <inheritdoc/>
    public override IReadOnlyList<int> Others => [server.Id];

    /// <inheritdoc/>
    public override async Task<Sample> MeasureAsync(TimeSpan turn)
    {
        TimeSpan before = CpuTime.WithOwn(server.Id);
        Latencies latencies = await Latencies.MeasureAsync(turn, async () =>
        {
            EchoReply reply = await client.PingAsync(new EchoRequest { Number = ++number });
            Pings.Check(reply.Number, number);
        });
        return Sample.Of(latencies, CpuTime.WithOwn(server.Id) - before);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        channel.Dispose();
        await server.DisposeAsync();
    }
}
