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

    private const int MostConnections = 4096;

    /// <summary>Makes the command.</summary>
    /// <param name="run">Runs the daemon; returns the exit code.</param>
    /// <param name="printCapabilities">Prints what the daemon can do; returns the exit code.</param>
    public static RootCommand Create(Func<DaemonOptions, CancellationToken, Task<int>> run, Func<int> printCapabilities)
    {
        Option<string[]> socketPath = new("--socket-path")
        {
            Description = "Listen on this Unix socket, under a name or the file's; may be repeated. Not with --fd. " +
                "Its connections can have limits of their own: arena-size=SIZE, max-guest-memory=SIZE, trust-front-end=on|off. " +
                "A '=' before the first '/' ends a name: begin such a path with ./ Write a comma in a path twice.",
            HelpName = "[NAME=]PATH[,OPTION=VALUE]...",
        };
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
        Option<int?> maxConnections = new("--max-connections")
        {
            Description = "Serve up to N connections at once, of all sockets together; more wait.",
            HelpName = "N",
            DefaultValueFactory = _ => new DaemonOptions().MaxConnections,
            CustomParser = result => OptionSet.ParseNumber(result, "--max-connections", 1, MostConnections),
        };
        Option<ulong?> maxGuestMemory = new("--max-guest-memory")
        {
            Description = "The most guest memory that a front-end may show the daemon. Default: 32T shared out among all connections, " +
                $"1T at most, which is {DefaultGuestMemory(new DaemonOptions().MaxConnections) / ByteSize.GiB}G for {new DaemonOptions().MaxConnections}.",
            HelpName = "SIZE",
            CustomParser = ParseMaxGuestMemory,
        };
        Option<bool> trustFrontEnd = new("--trust-front-end")
        {
            Description = "Take guest memory whose pages may fail to appear, such as huge pages: the front-end can then end the daemon.",
        };
        Option<int?> yieldAfter = new("--yield-after")
        {
            Description = "When all places are taken and another front-end waits, end a connection that has had no running driver for N seconds.",
            HelpName = "N",
            DefaultValueFactory = _ => (int)new DaemonOptions().YieldAfter.TotalSeconds,
            CustomParser = result => OptionSet.ParseNumber(result, "--yield-after", 0, MaxYieldSeconds),
        };
        RootCommand command = new("Offers virtio-user devices to a virtual machine over vhost-user.")
        {
            socketPath, fd, capabilities, maxConnections, yieldAfter, virtioId, maxGuestMemory, trustFrontEnd,
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
            else if (result.GetResult(socketPath) is { } given && ReadListeners(given, new(), out var error) is null)
            {
                result.AddError(error!);
            }
            else
            {
                common.RequireDevice(result);
            }
        });
        command.SetAction((result, cancellation) => result.GetValue(capabilities)
            ? Task.FromResult(printCapabilities())
            : run(Read(result), cancellation));
        return command;

        DaemonOptions Read(ParseResult result)
        {
            var options = common.Read(result);
            var limits = options.Limits with
            {
                MaxGuestMemory = result.GetValue(maxGuestMemory) ?? DefaultGuestMemory(result.GetValue(maxConnections)!.Value),
                TrustFrontEnd = result.GetValue(trustFrontEnd),
            };
            return options with
            {
                Listeners = result.GetResult(socketPath) is { } given ? ReadListeners(given, limits, out _)! : [],
                Descriptor = result.GetValue(fd),
                Limits = limits,
                VirtioId = result.GetValue(virtioId),
                MaxConnections = result.GetValue(maxConnections)!.Value,
                YieldAfter = TimeSpan.FromSeconds(result.GetValue(yieldAfter)!.Value),
            };
        }
    }

    /// <summary>Reads all addresses.</summary>
    /// <returns>Null if one of them is none, or two have the same name; then there is an error. Empty where the parser has said so.</returns>
    private static List<ListenerAddress>? ReadListeners(OptionResult given, ConnectionLimits limits, out string? error)
    {
        List<ListenerAddress> all = [];
        foreach (var token in given.Tokens)
        {
            if (ListenerAddress.Parse(token.Value, limits, out error) is not { } address)
            {
                error = $"--socket-path {error}.";
                return null;
            }

            if (all.Exists(each => each.Name == address.Name))
            {
                error = $"--socket-path: two listeners have the name {address.Name}. Give names: --socket-path NAME=PATH.";
                return null;
            }

            all.Add(address);
        }

        error = null;
        return all;
    }

    /// <summary>What leaves address space for all connections, whatever they show.</summary>
    private static ulong DefaultGuestMemory(int connections) => Math.Min(ByteSize.TiB, 1UL << (int)ulong.Log2(ConnectionLimits.MostGuestMemory / (ulong)connections));

    private static ulong? ParseMaxGuestMemory(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (!ConnectionLimits.TryParseGuestMemory(text, out var size))
        {
            result.AddError($"--max-guest-memory {text} is not {ConnectionLimits.GuestMemorySizes}.");
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
                StandardError.WriteLine($"virtio-userd: {e.Message}");
                return 1;
            }

            try
            {
                var options = common.Read(result);
                return await run(
                    options with
                    {
                        Listeners = [new ListenerAddress("try", Path.Combine(folder.FullName, "socket"), IsNamed: false, options.Limits)],
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
