// ./bench [--quick] [--group N]...: measures the project against its floors and its peers.
using System.CommandLine;
using Spectre.Console;
using Virtio;
using VirtioUser.Benchmarks;
using VirtioUser.Benchmarks.Groups;
using VirtioUser.Benchmarks.Peers;
using VirtioUser.Vm;

Option<bool> quick = new("--quick") { Description = "Be done within two minutes; the figures are noisier." };
Option<int[]> numbers = new("--group")
{
    Description = "Measure this group; may be repeated. " + string.Join(", ", BenchmarkGroup.All.Select(group => $"{group.Number}: {group.Title}")) + ".",
    HelpName = "N",
};
Option<string> output = new("--output")
{
    Description = "The folder for latest.json and the charts.",
    HelpName = "FOLDER",
    DefaultValueFactory = _ => Path.Combine(ProjectFolders.Root, "benchmarks", "results"),
};
numbers.Validators.Add(result =>
{
    foreach (var number in (result.GetValueOrDefault<int[]>() ?? []).Where(number => BenchmarkGroup.All.All(group => group.Number != number)))
    {
        result.AddError($"There is no group {number}.");
    }
});
RootCommand command = new("Measures virtio-user: every figure is a ratio to a floor or a peer that was measured in turns with it.") { quick, numbers, output };
command.SetAction(async (parsed, cancellation) =>
{
    var chosen = parsed.GetValue(numbers) ?? [];
    try
    {
        return await new BenchmarkRun(OpenConsole(), parsed.GetValue(output)!, parsed.GetValue(quick))
            .RunAsync([.. BenchmarkGroup.All.Where(group => chosen.Length == 0 || chosen.Contains(group.Number))], cancellation);
    }
    catch (SetupException e)
    {
        StandardError.WriteLine(e.Message);
        return 2;
    }
});

// How the program starts itself as a peer, in a process of its own.
Argument<string> kind = new("KIND"), address = new("ADDRESS");
Command peer = new("peer", "Serves as a peer.") { kind, address };
peer.Hidden = true;
peer.SetAction(async parsed =>
{
    if (parsed.GetValue(kind) == PeerKind.Grpc)
    {
        await GrpcEchoServer.RunAsync(parsed.GetValue(address)!);
    }
    else
    {
        SocketServer.Run(parsed.GetValue(address)!);
    }
});
command.Subcommands.Add(peer);
return await command.Parse(args).InvokeGuardedAsync();

// Tables are wide: into a file or a pipe go lines that nobody wraps.
static IAnsiConsole OpenConsole()
{
    const int tableWidth = 220;
    var console = Console.IsOutputRedirected
        ? AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, Interactive = InteractionSupport.No })
        : AnsiConsole.Console;
    console.Profile.Width = Math.Max(console.Profile.Width, tableWidth);
    return console;
}
