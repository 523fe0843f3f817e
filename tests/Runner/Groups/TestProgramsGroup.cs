namespace Runner;

/// <summary>Groups that are made of xunit test programs.</summary>
internal sealed class TestProgramsGroup(string name, string description, Func<string, bool> isMember) : ITestGroup
{
    private const string Daemon = "VirtioUser.Daemon.Tests", Codec = "VirtioUser.Codec.Tests", Foreign = "Virtio.ForeignDevice.Tests", Hostile = "VirtioUser.Hostile.Tests", Vm = "VirtioUser.Vm.Tests";

    public static ITestGroup Units { get; } = new TestProgramsGroup(
        "unit", "rings, messages, device model and guest library, each by itself",
        project => project is not (Daemon or Codec or Foreign or Hostile or Vm or GuestSuiteWithoutVm.Project));

    public static ITestGroup DaemonOverSocket { get; } = new TestProgramsGroup(
        "daemon", "virtio-userd over a real socket, and guest programs without a VM", project => project == Daemon)
    {
        Also = [GuestSuiteWithoutVm.Project],
        After = (report, busyWith, cancellationToken) => GuestSuiteWithoutVm.RunAsync(report, busyWith, cancellationToken: cancellationToken),
    };

    public static ITestGroup HostilePeers { get; } = new TestProgramsGroup(
        "hostile", "hostile peers against virtio-userd: named cases, one verdict each", project => project == Hostile)
    {
        After = HostileVerdicts.ShowAsync,
    };

    public static ITestGroup Decoder { get; } = new TestProgramsGroup(
        "codec", "the video decoder: good streams, damaged ones, hostile guests", project => project == Codec);

    public static ITestGroup ForeignDevice { get; } = new TestProgramsGroup(
        "foreign", "a virtio device that is not this project's, QEMU's disk, driven over vhost-user", project => project == Foreign);

    public static ITestGroup InVm { get; } = new TestProgramsGroup(
        "vm", "the whole, from guest programs in a stock VM", project => project == Vm);

    public string Name => name;

    public string Description => description;

    public IEnumerable<string> Projects => [.. Members, .. Also];

    /// <summary>Projects that are to be built besides the test programs of the group.</summary>
    private IReadOnlyList<string> Also { get; init; } = [];

    /// <summary>What belongs to the group besides its test programs.</summary>
    private Func<Action<Outcome>, Action<string>, CancellationToken, Task>? After { get; init; }

    private IEnumerable<string> Members => TestProjects.All.Where(isMember);

    public async Task RunAsync(Action<Outcome> report, Action<string> busyWith, CancellationToken cancellationToken)
    {
        foreach (var project in Members)
        {
            await new TestProgram(project, report, busyWith).RunAsync(cancellationToken);
        }

        if (After is not null)
        {
            await After(report, busyWith, cancellationToken);
        }
    }
}
