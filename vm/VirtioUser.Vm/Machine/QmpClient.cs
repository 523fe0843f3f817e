using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace VirtioUser.Vm;

/// <summary>Speaks to QEMU by its machine protocol (QMP): commands with answers, and events. May be used from any thread.</summary>
public sealed class QmpClient : IDisposable
{
    private readonly NetworkStream _stream;
    private readonly StreamReader _reader;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _waiting = new();
    private readonly List<(string Event, TaskCompletionSource<JsonElement> Seen)> _awaited = [];
    private int _lastId;
    private Exception? _ended;

    private QmpClient(NetworkStream stream)
    {
        this._stream = stream;
        _reader = new StreamReader(stream, Encoding.UTF8);
    }

    /// <summary>Takes over a connection and gets through the greeting.</summary>
    internal static async Task<QmpClient> StartAsync(NetworkStream stream, CancellationToken cancellationToken)
    {
        var client = new QmpClient(stream);
        _ = Task.Run(client.ReceiveAsync, CancellationToken.None);
        await client.ExecuteAsync("qmp_capabilities", cancellationToken: cancellationToken).ConfigureAwait(false);
        return client;
    }

    /// <summary>Runs a command and returns what it answers.</summary>
    /// <exception cref="VirtualMachineException">QEMU refused it, or has ended.</exception>
    public async Task<JsonElement> ExecuteAsync(string command, JsonObject? arguments = null, CancellationToken cancellationToken = default)
    {
        var id = Interlocked.Increment(ref _lastId);
        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[id] = answer;
        JsonObject message = new() { ["execute"] = command, ["id"] = id };
        if (arguments is not null)
        {
            message["arguments"] = arguments.DeepClone();
        }

        await _sending.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _stream.WriteAsync(Encoding.UTF8.GetBytes(message.ToJsonString() + "\n"), cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw new VirtualMachineException($"QEMU has ended before {command} could be sent.", e);
        }
        finally
        {
            _sending.Release();
        }

        if (Volatile.Read(ref _ended) is { } end)
        {
            answer.TrySetException(end); // the receiver may have looked before the answer was listed
        }

        return await answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Completes with the data of the next event of this name, for instance DEVICE_DELETED; ask before causing it.</summary>
    public Task<JsonElement> NextEventAsync(string name)
    {
        var seen = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_awaited)
        {
            if (_ended is { } end)
            {
                seen.SetException(end);
            }

            _awaited.Add((name, seen));
        }

        return seen.Task;
    }

    private async Task ReceiveAsync()
    {
        Exception end = new VirtualMachineException("QEMU has ended.");
        try
        {
            while (await _reader.ReadLineAsync().ConfigureAwait(false) is { } line)
            {
                using var document = JsonDocument.Parse(line);
                Dispatch(document.RootElement);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or JsonException)
        {
            end = new VirtualMachineException($"The connection to QEMU's monitor broke: {e.Message}", e);
        }

        lock (_awaited)
        {
            Volatile.Write(ref _ended, end);
            _awaited.ForEach(wait => wait.Seen.TrySetException(end));
        }

        foreach (var answer in _waiting.Values)
        {
            answer.TrySetException(end);
        }
    }

    private void Dispatch(JsonElement message)
    {
        if (message.TryGetProperty("event", out var name))
        {
            var data = message.TryGetProperty("data", out var some) ? some.Clone() : default;
            lock (_awaited)
            {
                _awaited.RemoveAll(wait => wait.Event == name.GetString() && wait.Seen.TrySetResult(data));
            }
        }
        else if (message.TryGetProperty("id", out var id) && _waiting.TryRemove(id.GetInt32(), out var answer))
        {
            if (message.TryGetProperty("return", out var result))
            {
                answer.SetResult(result.Clone());
            }
            else
            {
                answer.SetException(new VirtualMachineException(string.Create(
                    CultureInfo.InvariantCulture, $"QEMU refused: {message.GetProperty("error").GetProperty("desc").GetString()}")));
            }
        }
    }

    /// <summary>Closes the connection.</summary>
    public void Dispose()
    {
        _reader.Dispose();
        _stream.Dispose();
        _sending.Dispose();
    }
}
