// What user space sees: the guest's own test program, each of its tests a test here.
namespace VirtioUser.Vm.Tests;

public sealed class GuestSuiteTests(GuestSuite suite) : IClassFixture<GuestSuite>
{
    public static IEnumerable<TheoryDataRow<string>> Names => GuestSuite.Names().Select(name => new TheoryDataRow<string>(name));

    [Theory]
    [MemberData(nameof(Names))]
    public void In_the_guest(string name) => suite.AssertPassed(name);

    [Fact]
    public async Task The_whole_suite_ends_well_and_leaves_nothing_behind_and_no_complaint()
    {
        Assert.Equal("", suite.Broken);
        await suite.Rig.AssertNothingLeftAsync();
        suite.Rig.AssertKernelsContent();
    }
}
