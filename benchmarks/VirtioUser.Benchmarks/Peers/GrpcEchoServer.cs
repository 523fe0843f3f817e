// The gRPC peer's side of the host: Kestrel on a Unix socket, as Microsoft's documentation sets it up.
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace VirtioUser.Benchmarks.Peers;

/// <summary>Answers every call with the number that it brought.</summary>
internal static class GrpcEchoServer
{
    /// <summary>Serves until the process is ended.</summary>
    /// <param name="path">The socket's path.</param>
    public static async Task RunAsync(string path)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(path, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        await using var application = builder.Build();
        application.MapGrpcService<EchoService>();
        await application.StartAsync();
        await Console.Error.WriteLineAsync($"Listening on {path}");
        await application.WaitForShutdownAsync();
    }

    private sealed class EchoService : Echo.EchoBase
    {
        public override Task<EchoReply> Ping(EchoRequest request, ServerCallContext context) =>
            Task.FromResult(new EchoReply { Number = request.Number });
    }
}
