// The peers that are programs of their own.
namespace VirtioUser.Benchmarks.Peers;

/// <summary>How the command line names the servers.</summary>
internal static class PeerKind
{
    /// <summary>See <see cref="SocketServer"/>.</summary>
    public const string Socket = "socket";

    /// <summary>See <see cref="GrpcEchoServer"/>.</summary>
    public const string Grpc = "grpc";
}
