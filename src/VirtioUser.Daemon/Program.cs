// virtio-userd: loads devices and offers them to one virtual machine after the other.
using System.CommandLine.Invocation;
using Virtio;
using VirtioUser.Daemon;

// The parser takes the next word for the value of such an option.
if (args.TakeWhile(word => word != "--").FirstOrDefault(word => word.StartsWith("--", StringComparison.Ordinal) && word.IndexOf('=') == word.Length - 1) is { } empty)
{
    StandardError.WriteLine($"virtio-userd: {empty[..^1]} has an empty value. See --help.");
    return 2;
}

var command = CommandLine.Create(DaemonHost.RunAsync, Capabilities.Print).Parse(args);
if (command.Action is ParseErrorAction)
{
    StandardError.WriteLine($"virtio-userd: {command.Errors[0].Message} See --help.");
    return 2;
}

// The host handles the signals that end the daemon.
return await command.InvokeGuardedAsync("virtio-userd: ", new() { ProcessTerminationTimeout = null }).ConfigureAwait(false);
