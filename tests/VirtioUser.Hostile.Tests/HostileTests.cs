// Each class has a daemon of its own, so that several run at a time.
using VirtioUser.Hostile.Tests.Cases;
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests;

public sealed class MessageTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(MessageCases.All);

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class MemoryTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(MemoryCases.All);

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class RingTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(RingCases.All.Concat(IndexCases.All));

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class ChainTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(ChainCases.All);

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class SignalTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(SignalCases.All);

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class ConfigTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(ConfigCases.All.Concat(DeviceCases.All));

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class NextPeerTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(NextPeerCases.All);

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class FloodTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(FloodCases.All.Concat(StopCases.All));

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class AdvisoryTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(AdvisoryCases.All);

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

public sealed class InFlightTests(HostileDaemon daemon) : IClassFixture<HostileDaemon>
{
    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(OutOfBandCases.All.Concat(InFlightCases.All));

    [Theory]
    [MemberData(nameof(Names))]
    public void Has_the_right_verdict(string name) => daemon.Judge(CaseList.Find(name));
}

/// <summary>Cases that wait for a bound of the daemon: each has a daemon of its own, and all begin when the first is asked for.</summary>
public sealed class OwnEndTests
{
    private static readonly Lazy<Dictionary<string, Task>> Running = new(() => OwnEndCases.All.ToDictionary(
        each => each.Name,
        each => Task.Factory.StartNew(() => JudgeAlone(each), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

    public static IEnumerable<TheoryDataRow<string>> Names => CaseList.Rows(OwnEndCases.All);

    [Theory]
    [MemberData(nameof(Names))]
    public Task Has_the_right_verdict(string name) => Running.Value[name];

    private static void JudgeAlone(HostileCase it)
    {
        using var daemon = new HostileDaemon();
        daemon.Judge(it);
    }
}
