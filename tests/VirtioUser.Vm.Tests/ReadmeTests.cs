// The README's own device and guest program.
namespace VirtioUser.Vm.Tests;

public sealed class ReadmeTests
{
    [Fact]
    public async Task The_device_of_the_README_answers_its_guest_program()
    {
        await using var rig = await VmRig.StartAsync(
            [BuildOutput.PathOf("Reverse", "Reverse.dll")], [new Share(BuildOutput.FolderOf("ReverseGuest"), "/opt/reverse")],
            cancellationToken: TestContext.Current.CancellationToken);
        var output = await rig.RunAsync("dotnet /opt/reverse/ReverseGuest.dll");
        Assert.Contains("Hello from the guest!", output, StringComparison.Ordinal);
        await rig.AssertNothingLeftAsync();
    }
}
