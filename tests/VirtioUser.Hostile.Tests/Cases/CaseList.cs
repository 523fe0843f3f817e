// All cases, by name.
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests.Cases;

internal static class CaseList
{
    private static readonly Lazy<Dictionary<string, HostileCase>> ByName = new(() => All.ToDictionary(each => each.Name));

    public static IEnumerable<HostileCase> All =>
        MessageCases.All.Concat(MemoryCases.All).Concat(RingCases.All).Concat(IndexCases.All).Concat(ChainCases.All).Concat(SignalCases.All)
            .Concat(ConfigCases.All).Concat(DeviceCases.All).Concat(NextPeerCases.All).Concat(FloodCases.All).Concat(StopCases.All)
            .Concat(AdvisoryCases.All).Concat(OwnEndCases.All).Concat(OutOfBandCases.All).Concat(InFlightCases.All);

    public static HostileCase Find(string name) => ByName.Value[name];

    public static IEnumerable<TheoryDataRow<string>> Rows(IEnumerable<HostileCase> cases) =>
        cases.Select(each => new TheoryDataRow<string>(each.Name) { TestDisplayName = each.Name });
}
