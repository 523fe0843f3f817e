// The options that the daemon's commands have in common.
using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace VirtioUser.Daemon;

/// <summary>Options of one command, and what they were set to.</summary>
internal sealed class OptionSet
{
    private const int MaxPollMicroseconds = 1000;

    private readonly Option<string[]> _devices = new("--device")
    {
        Description = "A .NET assembly with devices, or a shared library (.so) with one; may be repeated.",
        HelpName = "FILE",
        AllowMultipleArgumentsPerToken = true,
    };

    private readonly Option<ulong> _arenaSize = new("--arena-size")
    {
        Description = $"Size of the shared memory, {ConnectionLimits.ArenaSizes}. Memory is used only where it is touched.",
        HelpName = "SIZE",
        DefaultValueFactory = _ => ByteSize.GiB,
        CustomParser = ParseArenaSize,
    };

    private readonly Option<uint> _enumerationSpace = new("--enumeration-space-id")
    {
        Description = "The ID space in which the devices' IDs are to be read.",
        HelpName = "ID",
        DefaultValueFactory = _ => 0,
        CustomParser = result => ParseId(result, "--enumeration-space-id", 0),
    };

    private readonly Option<int?> _metricsPort = new("--metrics-port")
    {
        Description = "Show metrics at http://127.0.0.1:PORT/metrics (Prometheus text).",
        HelpName = "PORT",
        CustomParser = result => ParseNumber(result, "--metrics-port", 1, ushort.MaxValue),
    };

    private readonly Option<int?> _pollTime = new("--poll-us")
    {
        Description = "Look for the next ping for up to N microseconds (at most 1000) before sleeping, as long as that pays. " +
            "Round trips become shorter, for a processor's time.",
        HelpName = "N",
        DefaultValueFactory = _ => 0,
        CustomParser = result => ParseNumber(result, "--poll-us", 0, MaxPollMicroseconds),
    };

    private readonly Option<bool> _noReasons = new("--no-reasons")
    {
        Description = "Do not tell guests in words why a request was refused: the messages of devices' exceptions are among these.",
    };

    private readonly Option<LogLevel> _logLevel;

    private readonly Option<bool> _logJson = new("--log-json") { Description = "Write log lines as JSON objects." };

    /// <summary>Makes the options for a command and adds them to it.</summary>
    /// <param name="command">The command.</param>
    /// <param name="logLevel">The least level of log lines if nothing else is said.</param>
    public OptionSet(Command command, LogLevel logLevel)
    {
        _logLevel = new Option<LogLevel>("--log-level")
        {
            Description = $"The least level of log lines: {LogLevels}.",
            HelpName = "LEVEL",
            DefaultValueFactory = _ => logLevel,
            CustomParser = ParseLogLevel,
        };
        Option[] all = [_devices, _arenaSize, _enumerationSpace, _metricsPort, _pollTime, _noReasons, _logLevel, _logJson];
        foreach (var option in all)
        {
            command.Options.Add(option);
        }
    }

    private static string LogLevels => string.Join(", ", Enum.GetNames<LogLevel>());

    /// <summary>Adds an error if no device is named.</summary>
    public void RequireDevice(CommandResult result)
    {
        if (result.GetResult(_devices) is null)
        {
            result.AddError("Give at least one --device FILE.");
        }
    }

    /// <summary>What was said.</summary>
    public DaemonOptions Read(ParseResult result) => new()
    {
        Devices = result.GetValue(_devices) ?? [],
        Limits = new ConnectionLimits { ArenaSize = result.GetValue(_arenaSize) },
        EnumerationSpaceId = result.GetValue(_enumerationSpace),
        MetricsPort = result.GetValue(_metricsPort),
        MaxPollTime = TimeSpan.FromMicroseconds(result.GetValue(_pollTime) ?? 0),
        GivesReasons = !result.GetValue(_noReasons),
        LogLevel = result.GetValue(_logLevel),
        LogJson = result.GetValue(_logJson),
    };

    /// <summary>Reads a number, or adds an error that says what is allowed.</summary>
    public static int? ParseNumber(ArgumentResult result, string option, int least, int most)
    {
        var text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
        {
            return number;
        }

        result.AddError($"{option} {text} is not a number from {least} to {most}.");
        return null;
    }

    /// <summary>Reads an ID, or adds an error that says what is allowed.</summary>
    public static uint ParseId(ArgumentResult result, string option, uint least)
    {
        var text = result.Tokens[0].Value;
        if (!uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number < least)
        {
            result.AddError($"{option} {text} is not a number from {least} to {uint.MaxValue}.");
        }

        return number;
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
        if (!ConnectionLimits.TryParseArenaSize(text, out var size))
        {
            result.AddError($"--arena-size {text} is not {ConnectionLimits.ArenaSizes}.");
        }

        return size;
    }
}
