// What the benchmarks run in the guest: SERIAL-PORT TCP-ADDRESS:PORT VSOCK-PORT|none VSOCK-BUFFER full|quick. A line for each turn goes to the host.
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using VirtioUser.Benchmarks;
using VirtioUser.Benchmarks.Guest;
using VirtioUser.Benchmarks.Measuring;

var quick = args[4] == "quick";
int rounds = quick ? 2 : 5, bulkRounds = quick ? 2 : 3;
TimeSpan turn = TimeSpan.FromMilliseconds(quick ? 150 : 700), bulkTurn = TimeSpan.FromMilliseconds(quick ? 60 : 400);
int[] lengths = quick ? [4 << 10, 64 << 10, 16 << 20] : [4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20];

Payload payload = new(lengths[^1]);
using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
socket.Connect(IPEndPoint.Parse(args[1]));
using UserTransport ours = new(GuestTurn.Ours, BenchmarkDevices.Echo, payload, copies: false);
using UserTransport sleeping = new(GuestTurn.OursSleeping, BenchmarkDevices.FirstNumbered);
using UserTransport copied = new(GuestTurn.OursCopied, BenchmarkDevices.Echo, payload, copies: true);
using StreamTransport serial = new(GuestTurn.Serial, new FileStream(args[0], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0), payload);
using StreamTransport tcp = new(GuestTurn.Tcp, new NetworkStream(socket), payload);
using var vsock = args[2] == "none"
    ? null
    : new StreamTransport(GuestTurn.Vsock, VsockStream.Connect(uint.Parse(args[2], CultureInfo.InvariantCulture), ulong.Parse(args[3], CultureInfo.InvariantCulture)), payload);
StreamTransport[] peers = vsock is null ? [serial, tcp] : [vsock, serial, tcp];

for (var round = 0; round <= rounds; round++)
{
    foreach (var transport in (Transport[])[ours, sleeping, .. peers])
    {
        var latencies = Latencies.Measure(turn, transport.RoundTrip);
        Console.WriteLine(new GuestTurn(0, transport.Name, round == 0, latencies.P50, latencies.Count, latencies.P50, latencies.P99, latencies.P999).ToLine());
    }
}

var copy = GC.AllocateUninitializedArray<byte>(payload.Length + Placing.Slack, pinned: true);
var place = Placing.OffsetIn(copy, payload.Bytes(payload.Length));
foreach (var length in lengths)
{
    var expected = Checksum.Of(payload.Bytes(length));
    for (var round = 0; round <= bulkRounds; round++)
    {
        foreach (var transport in (Transport[])[ours, copied, .. peers])
        {
            Transfer(length, transport.Name, round == 0, () => Transport.Check(transport.Send(length), expected));
        }

        Transfer(length, GuestTurn.Memcpy, round == 0, () => payload.Bytes(length).CopyTo(copy.AsSpan(place)));
    }
}

return 0;

void Transfer(int length, string name, bool warmUp, Action send)
{
    var time = warmUp ? bulkTurn / 8 : bulkTurn;
    var watch = Stopwatch.StartNew();
    long messages = 0;
    do
    {
        send();
        messages++;
    }
    while (watch.Elapsed < time);
    Console.WriteLine(new GuestTurn(length, name, warmUp, length * messages / watch.Elapsed.TotalSeconds, messages).ToLine());
}
