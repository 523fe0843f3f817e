// What passes between a program and its devices, for the eyes of a device's author.
using System.Globalization;
using System.Runtime.InteropServices;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon.Trying;

/// <summary>
/// Writes a line for each config request, ping and event. Only for somebody who asked for it: it is slow, and as long as
/// the program likes. Any thread.
/// </summary>
/// <param name="output">Where the lines go.</param>
internal sealed class Trace(TextWriter output)
{
    private readonly TextWriter _output = TextWriter.Synchronized(output);

    /// <summary>A config request was answered.</summary>
    /// <param name="request">The request as it came; of any length.</param>
    /// <param name="reply">The reply.</param>
    public void Config(ReadOnlySpan<byte> request, in ConfigMessage reply)
    {
        if (request.Length != ConfigMessage.Size)
        {
            Write("config", $"a request of {request.Length} bytes");
            return;
        }

        var asked = MemoryMarshal.Read<ConfigMessage>(request);
        var reason = reply.Reason.ToString();
        var result = reply.Error == ConfigError.None ? ResultOf(in reply) : $"error: {reply.Error}{(reason.Length > 0 ? $", {reason}" : "")}";
        Write(NameOf(asked.Operation), DescriptionOf(in asked) + result);
    }

    /// <summary>A ping was taken.</summary>
    public void Ping(in PingMessage ping)
    {
        var memory = ping.ShmId == 0 ? "no memory" : $"object {ping.ShmId}, {ping.ShmSize} bytes at {ping.ShmOffset}";
        var answer = ping.Events == 0 ? "no answer wanted" : $"events 0x{ping.Events:x}";
        Write("ping", $"instance {ping.InstanceHandle}, metadata 0x{ping.Metadata:x}, {memory}, {answer}");
    }

    /// <summary>An event was put.</summary>
    public void Event(in EventMessage message)
    {
        var revents = message.Revents;
        var (name, what) = (Revents.IsNotice(revents), Revents.IsAnswer(revents)) switch
        {
            (true, _) => ("notice", NoticeOf(revents)),
            (_, false) => ("event", $"0x{revents & Revents.DeviceMask:x}"),
            _ => ("answer", (revents & Revents.Failed) == 0 ? $"0x{revents:x}" : FailureOf(revents)),
        };
        Write(name, $"instance {message.InstanceHandle}, {what}");
    }

    private static string NoticeOf(uint revents) => Revents.KindOf(revents) switch
    {
        Revents.NoticeEventsLost => "events were lost",
        Revents.NoticeInstanceEnded => "the instance has ended",
        _ => $"{Revents.CodeOf(revents)} pings were interrupted",
    };

    private static string FailureOf(uint revents) => revents switch
    {
        Revents.Refused => "the ping was refused",
        Revents.Interrupted => "the ping was interrupted",
        _ => $"the ping failed, code {Revents.CodeOf(revents)}",
    };

    private static string NameOf(ConfigOperation operation) => operation switch
    {
        ConfigOperation.EnumerateDevices => "list",
        ConfigOperation.CreateInstance => "open",
        ConfigOperation.DestroyInstance => "close",
        ConfigOperation.AllocateMemory => "alloc",
        ConfigOperation.FreeMemory => "free",
        ConfigOperation.ExportMemory => "export",
        ConfigOperation.ImportMemory => "import",
        ConfigOperation.Explain => "explain",
        _ => "config",
    };

    private static string DescriptionOf(in ConfigMessage asked) => asked.Operation switch
    {
        ConfigOperation.EnumerateDevices => "",
        ConfigOperation.CreateInstance => $"{asked.FirstDevice}: ",
        ConfigOperation.DestroyInstance or ConfigOperation.Explain => $"instance {asked.InstanceHandle}: ",
        ConfigOperation.AllocateMemory => $"instance {asked.InstanceHandle}, {asked.ShmSize} bytes: ",
        _ => $"instance {asked.InstanceHandle}, object {asked.ShmId}: ",
    };

    private static string ResultOf(in ConfigMessage reply) => reply.Operation switch
    {
        ConfigOperation.EnumerateDevices => $"devices: {reply.DeviceCount}",
        ConfigOperation.CreateInstance => $"instance {reply.InstanceHandle}",
        ConfigOperation.Explain => reply.Reason.ToString() is { Length: > 0 } reason ? reason : "nothing to explain",
        ConfigOperation.AllocateMemory or ConfigOperation.ImportMemory => $"object {reply.ShmId}, {reply.ShmSize} bytes",
        _ => "done",
    };

    private void Write(string name, string what)
    {
        try
        {
            _output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-6} {what}"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Where it goes is full or closed: that is no affair of the program and its devices.
        }
    }
}
