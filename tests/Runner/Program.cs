// ./test [GROUP…]: builds everything, runs the groups, and ends with one line "N passed, N failed".
using System.CommandLine;
using Runner;
using Spectre.Console;

ITestGroup[] groups = [new FormatGroup(), TestProgramsGroup.Units, TestProgramsGroup.DaemonOverSocket, new DriverGroup(), TestProgramsGroup.InVm];

Argument<string[]> names = new("group") { Description = "The groups to run; all of them if none is named." };
names.AcceptOnlyFromAmong([.. groups.Select(group => group.Name)]);
Option<bool> list = new("--list") { Description = "List the groups and run nothing." };
RootCommand root = new("Runs the project's tests.") { names, list };
root.SetAction(async (parsed, cancel) =>
{
    if (parsed.GetValue(list))
    {
        foreach (ITestGroup group in groups)
        {
            AnsiConsole.MarkupLineInterpolated($"{group.Name,-8}{group.Description}");
        }

        return 0;
    }

    string[] wanted = parsed.GetValue(names) is { Length: > 0 } some ? some : [.. groups.Select(group => group.Name)];
    var session = new TestSession(AnsiConsole.Console);
    return await session.RunAsync([.. groups.Where(group => wanted.Contains(group.Name))], cancel);
});
return await root.Parse(args).InvokeAsync();
