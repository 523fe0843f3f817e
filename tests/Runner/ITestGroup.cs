namespace Runner;

/// <summary>A group of tests that is run as a whole.</summary>
internal interface ITestGroup
{
    /// <summary>The name by which it is asked for on the command line.</summary>
    string Name { get; }

    /// <summary>What it tests, in one line.</summary>
    string Description { get; }

    /// <summary>The names of the test projects that must be built for it; none if it builds nothing.</summary>
    IEnumerable<string> Projects { get; }

    /// <summary>Whether its tests are all in other groups, so that a run of everything has no need of it.</summary>
    bool IsSelection => false;

    /// <summary>Runs the tests, reports each as it ends, and says by <paramref name="busyWith"/> what goes on in between.</summary>
    /// <exception cref="VirtioUser.Vm.SetupException">What the group needs is missing or not permitted.</exception>
    Task RunAsync(Action<Outcome> report, Action<string> busyWith, CancellationToken cancellationToken);
}
