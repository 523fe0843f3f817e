// ./test [GROUP…]: builds what the groups need, runs them, and ends with one line "N passed, N failed" (and "N skipped", if any).
using System.CommandLine;
using Runner;
using Spectre.Console;
using Virtio;

ITestGroup[] groups =
[
    new FormatGroup(), TestProgramsGroup.Units, TestProgramsGroup.DaemonOverSocket, TestProgramsGroup.HostilePeers, TestProgramsGroup.Decoder,
    TestProgramsGroup.ForeignDevice, new DriverGroup(), TestProgramsGroup.InVm, new FieldGroup(),
];

Argument<string[]> names = new("group") { Description = "The groups to run; all of them if none is named." };
names.AcceptOnlyFromAmong([.. groups.Select(group => group.Name)]);
Option<bool> list = new("--list") { Description = "List the groups and run nothing." };
Option<bool> noBuild = new("--no-build") { Description = "Run what was built before." };
var console = AnsiConsole.Create(new AnsiConsoleSettings
{
    Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
    Interactive = Console.IsOutputRedirected ? InteractionSupport.No : InteractionSupport.Detect,
});
RootCommand root = new("Runs the project's tests.") { names, list, noBuild };
root.SetAction(async (parsed, cancel) =>
{
    if (parsed.GetValue(list))
    {
        foreach (var group in groups)
        {
            console.WriteLine($"{group.Name,-8}{group.Description}");
        }

        return 0;
    }

    var wanted = parsed.GetValue(names) ?? [];
    var all = wanted.Length == 0;
    ITestGroup[] chosen = [.. groups.Where(group => all ? !group.IsSelection : wanted.Contains(group.Name))];
    var session = new TestSession(console);
    return await session.RunAsync(chosen, build: !parsed.GetValue(noBuild), everything: all, cancel);
});
return await root.Parse(args).InvokeGuardedAsync();
