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

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("fifo")]
    public async Task What_is_no_regular_file_gets_one_sentence(string name)
    {
        var folder = Directory.CreateTempSubdirectory("virtio-user-demo-test-");
        try
        {
            var file = Path.Combine(folder.FullName, name);
            if (!File.Exists(file))
            {
                await ChildProcess.RunAsync("mkfifo", [file], null, Cancelled);
            }

            (var code, var output) = await DemoProgram.RunAsync("--no-vm", file);

            Assert.Equal((2, $"{file} is not a regular file. Name files that can be read."), (code, output.Trim()));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData("HUP", 129)]
    [InlineData("TERM", 143)]
    public async Task A_signal_leaves_nothing(string signal, int expected)
    {
        var folder = Directory.CreateTempSubdirectory("vud-");
        try
        {
            // A file that takes long to copy.
            var endless = Path.Combine(folder.FullName, "endless");
            await using (var file = File.Create(endless))
            {
                file.SetLength(1L << 32);
            }

            var temporary = folder.CreateSubdirectory("tmp");
            await using var demo = await DemoProgram.StartAsync(temporary.FullName, "--no-vm", endless);
            while (temporary.GetFiles("endless", SearchOption.AllDirectories).Length == 0 && !demo.Exited.IsCompleted)
            {
                await Task.Delay(20, Cancelled); // until the copy has begun
            }

            await demo.SignalAsync(signal);

            Assert.Equal(expected, await demo.Exited.WaitAsync(Cancelled));
            Assert.Empty(temporary.GetDirectories("virtio-user*"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task An_unknown_option_is_no_file()
    {
        (var code, var output) = await DemoProgram.RunAsync("--bogus");
        Assert.Equal((2, "--bogus is no option: see --help. A file of such a name goes behind --."), (code, output.Trim()));
    }

    [Theory]
    [InlineData("VirtioUser.Demo", "--no-vm")]
    [InlineData("VirtioUser.Demo", "--help")]
    [InlineData("VirtioUser.Vm", "--help")]
    [InlineData("VirtioUser.Vm", "run --help")]
    public async Task An_output_that_is_full_gets_one_sentence(string program, string arguments)
    {
        List<string> lines = [];
        var code = await ChildProcess.RunAsync(
            "sh", ["-c", $"exec dotnet \"$0\" {arguments} >/dev/full", BuildOutput.PathOf(program, $"{program}.dll")], new() { Error = lines.Add }, Cancelled);
        Assert.Equal(1, code);
        Assert.Contains("No space left", Assert.Single(lines), StringComparison.Ordinal);
    }
}
