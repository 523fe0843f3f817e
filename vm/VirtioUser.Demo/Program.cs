// ./demo [--no-vm] [FILE...]: sends files from a program inside a stock VM through two devices of the host.
using System.CommandLine;
using Spectre.Console;
using VirtioUser.Demo;
using VirtioUser.Vm;

Argument<string[]> files = new("FILE")
{
    Description = "What to send; without it, a picture and a text that every Debian has.",
    Arity = ArgumentArity.ZeroOrMore,
};
Option<bool> noVm = new("--no-vm") { Description = "Run the same program on this machine, straight through the daemon's socket." };
RootCommand command = new("Boots a stock VM and sends files from a program inside it through two devices of the host.") { noVm, files };
command.SetAction(async (parsed, cancellation) =>
{
    try
    {
        return await new Demonstration(OpenConsole()).RunAsync(parsed.GetValue(files) ?? [], parsed.GetValue(noVm), cancellation);
    }
    catch (Exception e) when (e is SetupException or VirtualMachineException)
    {
        await Console.Error.WriteLineAsync(e.Message);
        return 2;
    }
});
return await command.Parse(args).InvokeAsync();

// Into a file or a pipe go plain lines that nobody wraps.
static IAnsiConsole OpenConsole()
{
    const int linesOfAFile = 200;
    if (!Console.IsOutputRedirected)
    {
        return AnsiConsole.Console;
    }

    IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Interactive = InteractionSupport.No });
    console.Profile.Width = linesOfAFile;
    return console;
}
