// The gRPC peer's side of the program.
using System.Net.Sockets;
using Grpc.Net.Client;
using VirtioUser.Benchmarks.Groups;
using VirtioUser.Benchmarks.Measuring;
using VirtioUser.Benchmarks.Processes;

namespace VirtioUser.Benchmarks.Peers;

/// <summary>Unary calls over a Unix socket, with the client that Microsoft's documentation sets up.</summary>
internal sealed class GrpcContender : Contender
{
    private readonly ServerProcess _server;
    private readonly GrpcChannel _channel;
    private readonly Echo.EchoClient _client;
    private uint _number;

    private GrpcContender(ServerProcess server)
        : base("gRPC over a Unix socket, C#")
    {
        this._server = server;
        UnixDomainSocketEndPoint endPoint = new(server.SocketPath);
        _channel = GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
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
        _client = new Echo.EchoClient(_channel);
    }

    /// <summary>Starts the server and connects.</summary>
    public static async Task<Contender> StartAsync() => new GrpcContender(await ServerProcess.StartPeerAsync(PeerKind.Grpc));

    /// <inheritdoc/>
    public override IReadOnlyList<int> Others => [_server.Id];

    /// <inheritdoc/>
    public override async Task<Sample> MeasureAsync(TimeSpan turn)
    {
        var before = CpuTime.WithOwn(_server.Id);
        var latencies = await Latencies.MeasureAsync(turn, async () =>
        {
            var reply = await _client.PingAsync(new EchoRequest { Number = ++_number });
            Pings.Check(reply.Number, _number);
        });
        return Sample.Of(latencies, CpuTime.WithOwn(_server.Id) - before);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await _server.DisposeAsync();
    }
}
