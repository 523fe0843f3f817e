// The daemon's options, as the back-end program conventions of the vhost-user document ask.
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Microsoft.Extensions.Logging;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>Reads the command line into <see cref="DaemonOptions"/>.</summary>
internal static class CommandLine
{
    // A VIRTIO shared memory region under 1 GiB can land where the guest maps it uncached.
    private const ulong MinArenaSize = ByteSize.GiB;

    private const int MaxPollMicroseconds = 1000;

    private static string LogLevels => string.Join(", ", Enum.GetNames<LogLevel>());

    /// <summary>Makes the command.</summary>
    /// <param name="run">Runs the daemon; returns the exit code.</param>
    /// <param name="printCapabilities">Prints what the daemon can do; returns the exit code.</param>
    public static RootCommand Create(Func<DaemonOptions, CancellationToken, Task<int>> run, Func<int> printCapabilities)
    {
        Option<string?> socketPath = new("--socket-path") { Description = "Listen on this Unix socket; not with --fd.", HelpName = "PATH" };
        Option<int?> fd = new("--fd")
        {
            Description = "Use this inherited socket, listening or connected; not with --socket-path.",
            HelpName = "N",

            // 0 to 2 are the standard streams.
            CustomParser = result => ParseNumber(result, "--fd", 3, int.MaxValue),
        };
        Option<bool> capabilities = new("--print-capabilities") { Description = "Print the back-end's capabilities as JSON and exit." };
        Option<string[]> devices = new("--device")
        {
            Description = "An assembly with devices; may be repeated.",
            HelpName = "ASSEMBLY",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<ulong> arenaSize = new("--arena-size")
        {
            Description = "Size of the shared memory, a power of two of at least 1G. Memory is used only where it is touched.",
            HelpName = "SIZE",
            DefaultValueFactory = _ => ByteSize.GiB,
            CustomParser = ParseArenaSize,
        };
        Option<uint> virtioId = new("--virtio-id")
        {
            Description = "The virtio device ID that the hypervisor is to show.",
            HelpName = "ID",
            DefaultValueFactory = _ => Limits.VirtioDeviceId,
        };
        Option<uint> enumerationSpace = new("--enumeration-space-id")
        {
            Description = "The ID space in which the devices' IDs are to be read.",
            HelpName = "ID",
            DefaultValueFactory = _ => 0,
        };
        Option<int?> metricsPort = new("--metrics-port")
        {
            Description = "Show metrics at http://127.0.0.1:PORT/metrics (Prometheus text).",
            HelpName = "PORT",
            CustomParser = result => ParseNumber(result, "--metrics-port", 1, ushort.MaxValue),
        };
        Option<int?> pollTime = new("--poll-us")
        {
            Description = "Look for the next ping for up to N microseconds (at most 1000) before sleeping, as long as that pays. " +
                "Round trips become shorter, for a processor's time.",
            HelpName = "N",
            DefaultValueFactory = _ => 0,
            CustomParser = result => ParseNumber(result, "--poll-us", 0, MaxPollMicroseconds),
        };
        Option<LogLevel> logLevel = new("--log-level")
        {
            Description = $"The least level of log lines: {LogLevels}.",
            HelpName = "LEVEL",
            DefaultValueFactory = _ => LogLevel.Information,
            CustomParser = ParseLogLevel,
        };
        Option<bool> logJson = new("--log-json") { Description = "Write log lines as JSON objects." };

        RootCommand command = new("Offers virtio-user devices to a virtual machine over vhost-user.")
        {
            socketPath, fd, capabilities, devices, arenaSize, virtioId, enumerationSpace, metricsPort, pollTime, logLevel, logJson,
        };
        command.Validators.Add(result =>
        {
            if (result.GetValue(capabilities))
            {
                return;
            }

            if ((result.GetResult(socketPath) is null) == (result.GetResult(fd) is null))
            {
                result.AddError("Give either --socket-path=PATH or --fd=N.");
            }
            else if (result.GetResult(devices) is null)
            {
                result.AddError("Give at least one --device ASSEMBLY.");
            }
        });
        command.SetAction((result, cancellation) => result.GetValue(capabilities)
            ? Task.FromResult(printCapabilities())
            : run(
                new DaemonOptions
                {
                    SocketPath = result.GetValue(socketPath),
                    Descriptor = result.GetValue(fd),
                    Devices = result.GetValue(devices) ?? [],
                    ArenaSize = result.GetValue(arenaSize),
                    VirtioId = result.GetValue(virtioId),
                    EnumerationSpaceId = result.GetValue(enumerationSpace),
                    MetricsPort = result.GetValue(metricsPort),
                    MaxPollTime = TimeSpan.FromMicroseconds(result.GetValue(pollTime) ?? 0),
                    LogLevel = result.GetValue(logLevel),
                    LogJson = result.GetValue(logJson),
                },
                cancellation));
        return command;
    }

    private static int? ParseNumber(ArgumentResult result, string option, int least, int most)
    {
        var text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
        {
            return number;
        }

        result.AddError($"{option} {text} is not a number from {least} to {most}.");
        return null;
    }

    private static LogLevel ParseLogLevel(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (!Enum.TryParse(text, ignoreCase: true, out LogLevel level) || !Enum.IsDefined(level))
        {
            result.AddError($"--log-level {text} is none of {LogLevels}.");
        }

        return level;
    }

    private static ulong ParseArenaSize(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (!ByteSize.TryParse(text, out var size) || size < MinArenaSize || !ulong.IsPow2(size))
        {
            result.AddError($"--arena-size {text} is not a power of two of at least 1G.");
        }

        return size;
    }
}
