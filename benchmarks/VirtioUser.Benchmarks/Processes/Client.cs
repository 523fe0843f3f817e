// A program with a connection of its own, as the daemon sees it.
using VirtioUser.Guest;

namespace VirtioUser.Benchmarks.Processes;

/// <summary>A connection with an instance of the echo device.</summary>
internal sealed class Client : IAsyncDisposable
{
    // Longer than a busy machine takes to make a connection; one that another one has to end for is never made.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly DeviceSource _source;
    private readonly VirtioUserDevice _device;
    private uint _number;

    private Client(DeviceSource source, VirtioUserDevice device) => (_source, _device) = (source, device);

    /// <summary>Connects, opens an instance and makes a first round trip.</summary>
    /// <param name="daemon">Whom to connect to.</param>
    /// <exception cref="NotServedException">The daemon refused, or had others to serve.</exception>
    public static async Task<Client> ConnectAsync(ServerProcess daemon)
    {
        var source = DeviceSource.Daemon(daemon.SocketPath);
        // If it takes too long, the thread goes on until the daemon ends.
        var opening = Task.Factory.StartNew(
            () => Open(source), CancellationToken.None, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
        try
        {
            return await opening.WaitAsync(Patience);
        }
        catch (Exception e) when (e is TimeoutException or VirtioUserException)
        {
            _ = EndAsync(opening);
            throw new NotServedException(e);
        }
    }

    /// <summary>One that is served too late is closed.</summary>
    private static async Task EndAsync(Task<Client> opening)
    {
        await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (opening.IsCompletedSuccessfully)
        {
            await (await opening).DisposeAsync();
        }
    }

    /// <summary>Makes a round trip.</summary>
    public void Ping()
    {
        _number = (_number + 1) & 0xffff;
        var answer = _device.Ping(new PingRequest(_number));
        if (answer != _number)
        {
            throw new InvalidOperationException($"The answer is {answer} and not {_number}.");
        }
    }

    public ValueTask DisposeAsync()
    {
        _device.Dispose();
        _source.Dispose();
        return ValueTask.CompletedTask;
    }

    private static Client Open(DeviceSource source)
    {
        try
        {
            Client client = new(source, VirtioUserDevice.Open(BenchmarkDevices.Vendor, BenchmarkDevices.Echo, source: source));
            client.Ping();
            return client;
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }
}
