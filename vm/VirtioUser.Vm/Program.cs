// The command line: prepares the stock VM, and boots it to run commands in it.
using System.CommandLine;
using Spectre.Console;
using Virtio;
using VirtioUser.Vm;

Option<string> guest = new("--guest") { Description = "The guest's Debian release.", DefaultValueFactory = _ => new GuestImageOptions().Suite };
Option<int> memory = new("--memory") { Description = "The guest's memory, in MiB.", DefaultValueFactory = _ => 512 };
Option<int> processors = new("--processors") { Description = "The guest's virtual processors.", DefaultValueFactory = _ => 1 };
Option<string[]> sockets = new("--socket-path") { Description = "The socket of a vhost-user back-end that listens; the driver is loaded then." };
Option<string[]> shares = new("--share") { Description = "HOST-FOLDER:GUEST-FOLDER, or …:rw if the guest may write." };
Option<bool> showConsole = new("--console") { Description = "Show the guest's console." };
Argument<string[]> command = new("command") { Description = "What to run in the guest; without it, lines from standard input are run, one after the other." };

Command prepare = new("prepare", "Make what the stock VM needs and is not there yet.") { guest };
prepare.SetAction((parsed, cancel) => Guarded(async () =>
{
    var image = await ConsoleProgress.PrepareAsync(Diagnostics.Console, Image(parsed), cancel);
    Diagnostics.Console.MarkupLineInterpolated($"{image.Qemu}, Linux {image.Tree.KernelRelease}");
    return 0;
}));

Command run = new("run", "Boot the stock VM, run a command in it, and end with its exit code.") { guest, memory, processors, sockets, shares, showConsole, command };
run.SetAction((parsed, cancel) => Guarded(async () =>
{
    var image = await ConsoleProgress.PrepareAsync(Diagnostics.Console, Image(parsed), cancel);
    var backEnds = parsed.GetValue(sockets) ?? [];
    await using var machine = await VirtualMachine.StartAsync(image, new VirtualMachineOptions
    {
        MemoryMiB = parsed.GetValue(memory),
        Processors = parsed.GetValue(processors),
        Devices = [.. backEnds.Select(path => new VhostUserDevice(path))],
        Shares = [.. (parsed.GetValue(shares) ?? []).Select(ParseShare)],
        Console = parsed.GetValue(showConsole) ? Console.Error.WriteLine : null,
        Progress = (stage, time) => Diagnostics.Console.MarkupLineInterpolated($"[grey]{stage} {ConsoleProgress.Seconds(time)}[/]"),
    }, cancel);
    if (backEnds.Length > 0)
    {
        await machine.LoadDriverAsync(cancellationToken: cancel);
    }

    var words = parsed.GetValue(command) ?? [];
    var code = 0;
    if (words.Length > 0)
    {
        code = (await machine.RunAsync(words, Console.WriteLine, Console.Error.WriteLine, cancel)).ExitCode;
    }
    else
    {
        while (await Console.In.ReadLineAsync(cancel) is { } line)
        {
            code = (await machine.RunAsync(line, Console.WriteLine, Console.Error.WriteLine, cancel)).ExitCode;
        }
    }

    return code;
}));

return await new RootCommand("The stock VM that the demo and the tests use.") { prepare, run }.Parse(args).InvokeGuardedAsync();

GuestImageOptions Image(ParseResult parsed) => new() { Suite = parsed.GetValue(guest)! };

static Share ParseShare(string text) => text.Split(':') switch
{
    [var host, var folder] => new Share(Path.GetFullPath(host), folder),
    [var host, var folder, "rw"] => new Share(Path.GetFullPath(host), folder, Writable: true),
    _ => throw new SetupException($"{text} is no share: write HOST-FOLDER:GUEST-FOLDER or HOST-FOLDER:GUEST-FOLDER:rw."),
};

static async Task<int> Guarded(Func<Task<int>> action)
{
    try
    {
        return await action();
    }
    catch (Exception e) when (e is SetupException or VirtualMachineException)
    {
        StandardError.WriteLine(e.Message);
        return 2;
    }
}

/// <summary>What is not a command's own output goes to standard error.</summary>
internal static class Diagnostics
{
    public static IAnsiConsole Console { get; } = AnsiConsole.Create(new AnsiConsoleSettings
    {
        Out = new AnsiConsoleOutput(System.Console.Error),
        Ansi = System.Console.IsErrorRedirected ? AnsiSupport.No : AnsiSupport.Detect,
        Interactive = System.Console.IsErrorRedirected ? InteractionSupport.No : InteractionSupport.Detect,
    });
}
