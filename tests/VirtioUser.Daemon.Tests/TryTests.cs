// virtio-userd try, and dotnet run of a device: a program against a device on this machine.
using System.Diagnostics;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class TryTests
{
    private static readonly string[] Reverse = ["try", "--device", BuildOutput.Reverse];

    [Fact]
    public async Task A_program_reaches_the_device_and_both_end()
    {
        await using var daemon = await DaemonProcess.StartAsync([.. Reverse, "--", "dotnet", BuildOutput.ReverseGuest]);

        Assert.Equal(0, await daemon.Exited);
        Assert.Equal("1234:0001:01 answered 1: Hello from the guest!", daemon.Output);
        Assert.Empty(daemon.ErrorLines);
    }

    [Fact]
    public async Task What_passes_is_shown_if_asked()
    {
        await using var daemon = await DaemonProcess.StartAsync([.. Reverse, "--trace", "--", "dotnet", BuildOutput.ReverseGuest]);

        Assert.Equal(0, await daemon.Exited);
        Assert.Equal(
            [
                "list   devices: 1",
                "open   1234:0001:01: instance 1",
                "alloc  instance 1, 4096 bytes: object 1, 4096 bytes",
                "ping   instance 1, metadata 0x0, object 1, 21 bytes at 0, events 0x1",
                "answer instance 1, 0x1",
            ],
            daemon.ErrorLines.Take(5));
    }

    [Theory]
    [InlineData(7, "sh", "-c", "exit 7")]
    [InlineData(0, "sh", "-c", "test -S \"${VIRTIO_USER#unix:}\"")]
    [InlineData(5, "sh", "-c", "rm -r \"$(dirname \"${VIRTIO_USER#unix:}\")\"; exit 5")]
    [InlineData(127, "/nowhere/at-all")]
    public async Task The_exit_code_is_the_programs(int expected, params string[] program)
    {
        await using var daemon = await DaemonProcess.StartAsync([.. Reverse, "--", .. program]);

        Assert.Equal(expected, await daemon.Exited);
        Assert.Equal(expected == 127, daemon.ErrorLines.Any(line => line.Contains("/nowhere/at-all could not be started", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(127, "")]
    [InlineData(126, "/tmp")]
    [InlineData(126, "/etc/passwd")]
    public async Task A_program_that_cannot_be_run_gets_one_sentence(int expected, string program)
    {
        await using var daemon = await DaemonProcess.StartAsync([.. Reverse, "--", program]);

        Assert.Equal(expected, await daemon.Exited);
        Assert.StartsWith("virtio-userd: ", Assert.Single(daemon.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trace_that_goes_nowhere_is_no_affair_of_the_program()
    {
        using var run = Process.Start(new ProcessStartInfo(
            "sh", ["-c", "exec \"$@\" 2>/dev/full", "sh", BuildOutput.Daemon, .. Reverse, "--trace", "--", "dotnet", BuildOutput.ReverseGuest])
        {
            RedirectStandardOutput = true,
        })!;
        var output = await run.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await run.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal((0, "1234:0001:01 answered 1: Hello from the guest!"), (run.ExitCode, output.Trim()));
    }

    [Theory]
    [InlineData("Give at least one --device", "try", "--", "true")]
    [InlineData("Required argument missing", "try", "--device", "x.dll")]
    [InlineData("x.dll", "try", "--device", "x.dll", "--", "true")]
    public async Task What_is_missing_is_said(string words, params string[] arguments)
    {
        await using var daemon = await DaemonProcess.StartAsync(arguments);

        Assert.NotEqual(0, await daemon.Exited);
        Assert.Contains(words, string.Join('\n', daemon.ErrorLines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(15)]
    public async Task A_program_that_hangs_ends_with_the_daemon(int signal)
    {
        await using var daemon = await DaemonProcess.StartAsync([.. Reverse, "--", "sh", "-c", "echo $$ $VIRTIO_USER >&2; exec sleep 1000"]);
        var words = (await daemon.LineAsync("")).Split(" unix:");
        var id = int.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture);
        using var program = Process.GetProcessById(id);

        Assert.Equal(0, NativeMethods.Kill(daemon.Id, signal));

        Assert.Equal(128 + 9, await daemon.Exited);
        Assert.True(program.WaitForExit(Patience.Limit), "the program is still there");
        Assert.False(Directory.Exists(Path.GetDirectoryName(words[1])), "the folder is still there");
    }

    [Fact]
    public async Task A_device_outside_of_the_repository_takes_the_project_that_the_page_shows()
    {
        var folder = Directory.CreateTempSubdirectory("virtio-user-outside-");
        try
        {
            var targets = Path.GetFullPath(Path.Combine(BuildOutput.ReverseProject, "../../../src/VirtioUser.Devices/Device.targets"));
            var project = await File.ReadAllTextAsync(Path.Combine(BuildOutput.ReverseProject, "Reverse.csproj"), TestContext.Current.CancellationToken);
            Assert.Contains("../../../src/VirtioUser.Devices/Device.targets", project, StringComparison.Ordinal);
            await File.WriteAllTextAsync(
                Path.Combine(folder.FullName, "Reverse.csproj"),
                project.Replace("../../../src/VirtioUser.Devices/Device.targets", targets, StringComparison.Ordinal),
                TestContext.Current.CancellationToken);
            File.Copy(Path.Combine(BuildOutput.ReverseProject, "ReverseDevice.cs"), Path.Combine(folder.FullName, "ReverseDevice.cs"));

            // Without the daemon and the program, which are built already; and not where running daemons have their files.
            using var build = Process.Start(new ProcessStartInfo(
                "dotnet",
                ["build", folder.FullName, "--artifacts-path", Path.Combine(folder.FullName, "artifacts"), "--property:TryProject=", "--nologo", "-nodeReuse:false"])
            {
                RedirectStandardOutput = true,
            })!;
            var output = await build.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await build.WaitForExitAsync(TestContext.Current.CancellationToken);

            Assert.True(build.ExitCode == 0, output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Dotnet_run_of_a_device_tries_it()
    {
        // As its author does, but with what is built already.
        string[] words =
        [
            "run", "--no-build", "--project", BuildOutput.ReverseProject, "--configuration", BuildOutput.Configuration,
            "--artifacts-path", BuildOutput.Artifacts,
        ];
        using var run = Process.Start(new ProcessStartInfo("dotnet", words) { RedirectStandardOutput = true })!;
        var output = await run.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await run.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal((0, "1234:0001:01 answered 1: Hello from the guest!"), (run.ExitCode, output.Trim()));
    }
}
