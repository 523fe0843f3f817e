namespace Runner;

/// <summary>
/// The tests of what people met in the field, wherever they are: those with the trait Category=Field. They belong to their own groups
/// too, so a run of everything does not run them twice.
/// </summary>
internal sealed class FieldGroup : ITestGroup
{
    private const string Mark = "\"Category\", \"Field\"", Trait = "Category=Field";

    public string Name => "field";

    public string Description => "what people met in the field: tests of the other groups that have the trait Category=Field";

    public bool IsSelection => true;

    public IEnumerable<string> Projects
    {
        get
        {
            // The guest's test program takes its devices from there.
            var marked = TestProjects.All.Where(project => TestProjects.Mentions(project, Mark)).ToList();
            return marked.Contains(GuestSuiteWithoutVm.Project) ? [.. marked, .. TestProgramsGroup.DaemonOverSocket.Projects] : marked;
        }
    }

    public async Task RunAsync(Action<Outcome> report, Action<string> busyWith, CancellationToken cancellationToken)
    {
        foreach (var project in TestProjects.All.Where(project => TestProjects.Mentions(project, Mark)))
        {
            if (project == GuestSuiteWithoutVm.Project)
            {
                await GuestSuiteWithoutVm.RunAsync(report, busyWith, ["-trait", Trait], cancellationToken);
            }
            else
            {
                await new TestProgram(project, report, busyWith) { Arguments = ["-trait", Trait] }.RunAsync(cancellationToken);
            }
        }
    }
}
