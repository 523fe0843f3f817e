// ./demo, as its user runs it.
namespace VirtioUser.Vm.Tests;

public sealed class DemoTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_takes_any_file_through_both_devices_and_proves_the_results()
    {
        var folder = Directory.CreateTempSubdirectory("virtio-user-demo-test-");
        try
        {
            string empty = Path.Combine(folder.FullName, "-empty"), odd = Path.Combine(folder.FullName, "it's \"odd\" $1.txt");
            await File.WriteAllBytesAsync(empty, [], Cancelled);
            await File.WriteAllTextAsync(odd, "some words", Cancelled);

            (var code, var output) = await DemoProgram.RunAsync("--", empty, odd);

            Assert.True(code == 0, output);
            Assert.Contains($"gunzip and compare {Path.GetFileName(odd)}: the same bytes", output, StringComparison.Ordinal);
            Assert.Contains("sha256sum -empty: the same digest, e3b0c44298fc1c14", output, StringComparison.Ordinal);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Without_a_vm_the_same_program_does_the_same()
    {
        (var code, var output) = await DemoProgram.RunAsync("--no-vm");

        Assert.True(code == 0, output);
        Assert.Contains("gunzip and compare GPL-3: the same bytes", output, StringComparison.Ordinal);
        Assert.DoesNotContain("QEMU", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_not_there_gets_one_sentence()
    {
        (var code, var output) = await DemoProgram.RunAsync("/nowhere/at all");
        Assert.Equal((2, "/nowhere/at all is not a file. Name files that can be read."), (code, output.Trim()));
    }
}
