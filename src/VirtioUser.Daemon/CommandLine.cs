// The daemon's commands, as the back-end program conventions of the vhost-user document ask.
using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.Extensions.Logging;
using Virtio;
using VirtioUser.Protocol;

namespace VirtioUser.Daemon;

/// <summary>Reads the command line into <see cref="DaemonOptions"/>.</summary>
internal static class CommandLine
{
    private const int MaxYieldSeconds = 86400;

    private const int MaxSocketPath = 107;

    // Less than a guest needs is a mistake; more than a quarter of what a process can address leaves too little for the old table and the new one.
    private const ulong MinGuestMemory = 1UL << 20, MaxGuestMemory = 32 * ByteSize.TiB;

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
            CustomParser = result => OptionSet.ParseNumber(result, "--fd", 3, int.MaxValue),
        };
        Option<bool> capabilities = new("--print-capabilities") { Description = "Print the back-end's capabilities as JSON and exit." };
        Option<uint> virtioId = new("--virtio-id")
        {
            Description = "The virtio device ID that the hypervisor is to show.",
            HelpName = "ID",
            DefaultValueFactory = _ => Limits.VirtioDeviceId,
            CustomParser = result => OptionSet.ParseId(result, "--virtio-id", 1), // 0 is reserved
        };
        Option<ulong> maxGuestMemory = new("--max-guest-memory")
        {
            Description = "The most guest memory that a front-end may show the daemon.",
            HelpName = "SIZE",
            DefaultValueFactory = _ => ByteSize.TiB,
            CustomParser = ParseMaxGuestMemory,
        };
        Option<bool> trustFrontEnd = new("--trust-front-end")
        {
            Description = "Take guest memory whose pages may fail to appear, such as huge pages: the front-end can then end the daemon.",
        };
        Option<int?> yieldAfter = new("--yield-after")
        {
            Description = "End a connection that has had no running driver for N seconds when another front-end waits.",
            HelpName = "N",
            DefaultValueFactory = _ => (int)new DaemonOptions().YieldAfter.TotalSeconds,
            CustomParser = result => OptionSet.ParseNumber(result, "--yield-after", 0, MaxYieldSeconds),
        };
        RootCommand command = new("Offers virtio-user devices to a virtual machine over vhost-user.")
        {
            socketPath, fd, capabilities, virtioId, maxGuestMemory, trustFrontEnd, yieldAfter,
        };
        OptionSet common = new(command, LogLevel.Information);
        command.Subcommands.Add(CreateTry(run));
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
            else if (result.GetResult(socketPath) is { } given && SocketPathError(given) is { } error)
            {
                result.AddError(error);
            }
            else
            {
                common.RequireDevice(result);
            }
        });
        command.SetAction((result, cancellation) => result.GetValue(capabilities)
            ? Task.FromResult(printCapabilities())
            : run(
                common.Read(result) with
                {
                    SocketPath = result.GetValue(socketPath),
                    Descriptor = result.GetValue(fd),
                    VirtioId = result.GetValue(virtioId),
                    MaxGuestMemory = result.GetValue(maxGuestMemory),
                    TrustFrontEnd = result.GetValue(trustFrontEnd),
                    YieldAfter = TimeSpan.FromSeconds(result.GetValue(yieldAfter)!.Value),
                },
                cancellation));
        return command;
    }

    private static string? SocketPathError(OptionResult given)
    {
        // Without a value the parser has said so.
        var path = given.Tokens.Count == 1 ? given.Tokens[0].Value : null;
        return path switch
        {
            "" => "--socket-path is empty.",
            not null when System.Text.Encoding.UTF8.GetByteCount(path) > MaxSocketPath =>
                $"--socket-path {path} is too long: the path of a socket has at most {MaxSocketPath} bytes.",
            _ => null,
        };
    }

    private static ulong ParseMaxGuestMemory(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (!ByteSize.TryParse(text, out var size) || size is < MinGuestMemory or > MaxGuestMemory)
        {
            result.AddError($"--max-guest-memory {text} is not a size from 1M to 32T.");
        }

        return size;
    }

    private static Command CreateTry(Func<DaemonOptions, CancellationToken, Task<int>> run)
    {
        Argument<string[]> program = new("PROGRAM")
        {
            Description = "The program and its arguments, after --. It finds the devices by the environment variable VIRTIO_USER.",
            Arity = ArgumentArity.OneOrMore,
        };
        Option<bool> trace = new("--trace") { Description = "Show requests, pings and events as they pass." };
        Command command = new("try", "Runs a program against devices on this machine, without a VM, and ends with it.") { program, trace };
        OptionSet common = new(command, LogLevel.Warning);
        command.Validators.Add(common.RequireDevice);
        command.SetAction(async result =>
        {
            // From before there is something to remove.
            using EndSignals signals = new();
            DirectoryInfo folder;
            try
            {
                folder = ScratchFolder.Create("virtio-userd-"); // only this user gets in there
            }
            catch (IOException e)
            {
                await StandardError.WriteLineAsync(e.Message).ConfigureAwait(false);
                return 1;
            }

            try
            {
                return await run(
                    common.Read(result) with
                    {
                        SocketPath = Path.Combine(folder.FullName, "socket"),
                        Program = result.GetValue(program),
                        Trace = result.GetValue(trace),
                    },
                    signals.Token).ConfigureAwait(false);
            }
            finally
            {
                Remove(folder);
            }
        });
        return command;
    }

    private static void Remove(DirectoryInfo folder)
    {
        try
        {
            folder.Delete(recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The program has removed it, or keeps it from being removed: its exit code stands.
        }
    }
}
