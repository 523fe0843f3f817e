// ./demo [--video] [--no-vm] [FILE...]: sends files from a program inside a stock VM through two devices of the host, or has it
// play video that the host decodes.
using System.CommandLine;
using System.CommandLine.Parsing;
using Spectre.Console;
using Virtio;
using VirtioUser.Demo;
using VirtioUser.Demo.Video;
using VirtioUser.Vm;

Argument<string[]> files = new("FILE")
{
    Description = "What to send; without it, a picture and a text that every Debian has. With --video, clips: H.264 byte streams, or VP9 or AV1 in IVF.",
    Arity = ArgumentArity.ZeroOrMore,
};
Option<bool> noVm = new("--no-vm") { Description = "Run the same program on this machine, straight through the daemon's socket." };
Option<bool> video = new("--video") { Description = "Decode video on the host for a program in the VM; without FILE, clips made of photographs." };
RootCommand command = new("Boots a stock VM and sends files from a program inside it through two devices of the host.") { video, noVm, files };
command.SetAction(async (parsed, cancellation) =>
{
    if (UnknownOption(parsed) is { } unknown)
    {
        return Fail(2, $"{unknown} is no option: see --help. A file of such a name goes behind --.");
    }

    try
    {
        var inputs = parsed.GetValue(files) ?? [];
        return parsed.GetValue(video)
            ? await new VideoDemonstration(OpenConsole()).RunAsync(inputs, parsed.GetValue(noVm), cancellation)
            : await new Demonstration(OpenConsole()).RunAsync(inputs, parsed.GetValue(noVm), cancellation);
    }
    catch (Exception e) when (e is SetupException or VirtualMachineException or UnauthorizedAccessException) // artifacts/ may be root's by now
    {
        return Fail(2, e.Message);
    }
});
using EndSignals signals = new();
try
{
    return await command.Parse(args).InvokeGuardedAsync(configuration: new() { ProcessTerminationTimeout = null }, cancellation: signals.Token);
}
catch (OperationCanceledException) when (signals.Token.IsCancellationRequested)
{
    return signals.ExitCode;
}

static int Fail(int code, string message)
{
    StandardError.WriteLine(message);
    return code;
}

// What looks like an option is taken as a file otherwise.
static string? UnknownOption(ParseResult parsed) => parsed.Tokens
    .TakeWhile(token => token.Type != TokenType.DoubleDash)
    .FirstOrDefault(token => token.Type == TokenType.Argument && token.Value is ['-', _, ..])?.Value;

// Into a file or a pipe go plain lines that nobody wraps.
static IAnsiConsole OpenConsole()
{
    const int linesOfAFile = 200;
    if (!Console.IsOutputRedirected)
    {
        return AnsiConsole.Console;
    }

    var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Interactive = InteractionSupport.No });
    console.Profile.Width = linesOfAFile;
    return console;
}
