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
    readonly NetworkStream stream;
    readonly StreamReader reader;
    readonly SemaphoreSlim sending = new(1, 1);
    readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> waiting = new();
    readonly List<(string Event, TaskCompletionSource<JsonElement> Seen)> awaited = [];
    int lastId;
    Exception? ended;

    QmpClient(NetworkStream stream)
    {
        this.stream = stream;
        reader = new StreamReader(stream, Encoding.UTF8);
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
        int id = Interlocked.Increment(ref lastId);
        var answer = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        waiting[id] = answer;
        JsonObject message = new() { ["execute"] = command, ["id"] = id };
        if (arguments is not null)
        {
            message["arguments"] = arguments.DeepClone();
        }

        await sending.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(message.ToJsonString() + "\n"), cancellationToken).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw new VirtualMachineException($"QEMU has ended before {command} could be sent.", e);
        }
        finally
        {
            sending.Release();
        }

        if (Volatile.Read(ref ended) is { } end)
        {
            answer.TrySetException(end); // the receiver may have looked before the answer was listed
        }

        return await answer.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Completes with the data of the next event of this name, for instance DEVICE_DELETED; ask before causing it.</summary>
    public Task<JsonElement> NextEventAsync(string name)
    {
        var seen = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (awaited)
        {
            if (ended is { } end)
            {
                seen.SetException(end);
            }

            awaited.Add((name, seen));
        }

        return seen.Task;
    }

    async Task ReceiveAsync()
    {
        Exception end = new VirtualMachineException("QEMU has ended.");
        try
        {
            while (await reader.ReadLineAsync().ConfigureAwait(false) is { } line)
            {
                using JsonDocument document = JsonDocument.Parse(line);
                Dispatch(document.RootElement);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or JsonException)
        {
            end = new VirtualMachineException($"The connection to QEMU's monitor broke: {e.Message}", e);
        }

        lock (awaited)
        {
            Volatile.Write(ref ended, end);
            awaited.ForEach(wait => wait.Seen.TrySetException(end));
        }

        foreach (TaskCompletionSource<JsonElement> answer in waiting.Values)
        {
            answer.TrySetException(end);
        }
    }

    void Dispatch(JsonElement message)
    {
        if (message.TryGetProperty("event", out JsonElement name))
        {
            JsonElement data = message.TryGetProperty("data", out JsonElement some) ? some.Clone() : default;
            lock (awaited)
            {
                awaited.RemoveAll(wait => wait.Event == name.GetString() && wait.Seen.TrySetResult(data));
            }
        }
        else if (message.TryGetProperty("id", out JsonElement id) && waiting.TryRemove(id.GetInt32(), out TaskCompletionSource<JsonElement>? answer))
        {
            if (message.TryGetProperty("return", out JsonElement result))
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
        reader.Dispose();
        stream.Dispose();
        sending.Dispose();
    }
}
