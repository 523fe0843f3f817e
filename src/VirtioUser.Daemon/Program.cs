// virtio-userd: loads devices and offers them to one virtual machine after the other.
using System.CommandLine.Invocation;
using VirtioUser.Daemon;

var command = CommandLine.Create(DaemonHost.RunAsync, Capabilities.Print).Parse(args);
if (command.Action is ParseErrorAction)
{
    await Console.Error.WriteLineAsync($"virtio-userd: {command.Errors[0].Message} See --help.").ConfigureAwait(false);
    return 2;
}

// The host handles the signals that end the daemon.
return await command.InvokeAsync(new() { ProcessTerminationTimeout = null }).ConfigureAwait(false);
