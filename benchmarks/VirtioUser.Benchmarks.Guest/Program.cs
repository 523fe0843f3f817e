// What the benchmarks run in the guest: SERIAL-PORT TCP-ADDRESS:PORT full|quick. A line for each turn goes to the host.
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using VirtioUser.Benchmarks;
using VirtioUser.Benchmarks.Guest;
using VirtioUser.Benchmarks.Measuring;

bool quick = args[2] == "quick";
int rounds = quick ? 2 : 5, bulkRounds = quick ? 2 : 3;
TimeSpan turn = TimeSpan.FromMilliseconds(quick ? 150 : 700), bulkTurn = TimeSpan.FromMilliseconds(quick ? 60 : 400);
int[] lengths = quick ? [4 << 10, 1 << 20, 16 << 20] : [4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20];

Payload payload = new(lengths[^1]);
using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
socket.Connect(IPEndPoint.Parse(args[1]));
using UserTransport ours = new(payload, copies: false), copied = new(payload, copies: true);
using StreamTransport serial = new(GuestTurn.Serial, new FileStream(args[0], FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0), payload);
using StreamTransport tcp = new(GuestTurn.Tcp, new NetworkStream(socket), payload);

for (int round = 0; round <= rounds; round++)
{
    foreach (Transport transport in (Transport[])[ours, serial, tcp])
    {
        Latencies latencies = Latencies.Measure(turn, transport.RoundTrip);
        Console.WriteLine(new GuestTurn(0, transport.Name, round == 0, latencies.P50, latencies.Count, latencies.P50, latencies.P99, latencies.P999).ToLine());
    }
}

byte[] copy = new byte[payload.Length];
foreach (int length in lengths)
{
    uint expected = Checksum.Of(payload.Bytes(length));
    for (int round = 0; round <= bulkRounds; round++)
    {
        foreach (Transport transport in (Transport[])[ours, copied, serial, tcp])
        {
            Transfer(length, transport.Name, round == 0, () => Transport.Check(transport.Send(length), expected));
        }

        Transfer(length, GuestTurn.Memcpy, round == 0, () => payload.Bytes(length).CopyTo(copy));
    }
}

return 0;

void Transfer(int length, string name, bool warmUp, Action send)
{
    TimeSpan time = warmUp ? bulkTurn / 8 : bulkTurn;
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
