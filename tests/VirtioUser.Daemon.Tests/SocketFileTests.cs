// The daemon's socket in the file system, and what its children get of its descriptors.
using System.Globalization;
using Virtio.Linux;
using Virtio.VhostUser;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Daemon.Tests;

public sealed class SocketFileTests : IDisposable
{
    private const int CloseOnExec = 0x80000;

    private readonly SocketFolder _folder = new();

    // What whoever started the tests lets all its children have.
    private readonly HashSet<int> _given = [.. Inheritable(Environment.ProcessId).Select(one => one.Number)];

    private static string[] Device { get; } = ["--device", BuildOutput.TestDevice];

    public void Dispose() => _folder.Dispose();

    [Trait("Category", "Field")]
    [Fact]
    public async Task Of_daemons_that_find_a_stale_socket_at_once_one_serves_and_the_others_say_why_not()
    {
        for (var round = 0; round < 25; round++)
        {
            UnixSocket.Listen(_folder.SocketPath).Descriptor.Dispose(); // as a killed daemon leaves it
            var daemons = await Task.WhenAll(Enumerable.Range(0, 2 + (round % 2)).Select(_ => DaemonProcess.StartAsync(["--socket-path", _folder.SocketPath, .. Device])));
            try
            {
                var serving = new List<DaemonProcess>();
                foreach (var daemon in daemons)
                {
                    if (await Serves(daemon))
                    {
                        serving.Add(daemon);
                    }
                    else
                    {
                        Assert.Equal(1, await daemon.Exited);
                        Assert.Contains("in use", Assert.Single(daemon.ErrorLines), StringComparison.Ordinal);
                    }
                }

                using (TestVm.Connect(_folder.SocketPath))
                {
                }

                await Assert.Single(serving).AssertStopsAsync();
                Assert.Empty(Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(_folder.SocketPath)!));
            }
            finally
            {
                foreach (var daemon in daemons)
                {
                    await daemon.DisposeAsync();
                }
            }
        }
    }

    [Theory]
    [InlineData("is too long", "--socket-path", "/tmp/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")]
    [InlineData("--socket-path has an empty value", "--socket-path=")]
    [InlineData("--socket-path is empty", "--socket-path", "")]
    [InlineData("--virtio-id 0 is not", "--fd=3", "--virtio-id", "0")]
    [InlineData("--virtio-id 99999999999 is not", "--fd=3", "--virtio-id", "99999999999")]
    public async Task A_wrong_value_gets_one_sentence(string words, params string[] arguments)
    {
        await using var daemon = await DaemonProcess.StartAsync([.. arguments, .. Device]);

        Assert.Equal(2, await daemon.Exited);
        var line = Assert.Single(daemon.ErrorLines);
        Assert.Contains(words, line, StringComparison.Ordinal);
        Assert.DoesNotContain("Parameter", line, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("symbolic link")]
    [InlineData("folder")]
    public async Task What_is_in_the_place_of_the_lock_file_is_said(string kind)
    {
        var name = _folder.SocketPath + ".lock";
        _ = kind == "folder" ? Directory.CreateDirectory(name) : File.CreateSymbolicLink(name, "elsewhere");
        await using var daemon = await DaemonProcess.StartAsync(["--socket-path", _folder.SocketPath, .. Device]);

        Assert.Equal(1, await daemon.Exited);
        Assert.Contains($"{name} (it must be a file of its own, and is a {kind}", Assert.Single(daemon.ErrorLines), StringComparison.Ordinal);
    }

    [Trait("Category", "Field")]
    [Fact]
    public async Task A_daemon_that_ends_leaves_its_successor_s_socket()
    {
        await using var first = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        File.Delete(_folder.SocketPath);
        await using var second = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);

        await first.AssertStopsAsync();

        using (TestVm.Connect(_folder.SocketPath))
        {
        }

        await second.AssertStopsAsync();
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.GetDirectoryName(_folder.SocketPath)!));
    }

    [Fact]
    public async Task A_socket_is_this_user_s_alone()
    {
        await using var daemon = await DaemonProcess.ListenAsync(_folder.SocketPath, Device);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.SocketPath));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task No_program_that_a_device_starts_gets_a_descriptor_of_the_daemon(bool listening)
    {
        var (mine, theirs) = UnixSocket.Pair();
        using var listener = UnixSocket.Listen(_folder.SocketPath);
        var inherited = listening ? listener : theirs;
        NativeMethods.MakeInheritable(inherited.Descriptor);
        await using var daemon = await DaemonProcess.StartAsync(["--fd", $"{inherited.Descriptor.DangerousGetHandle()}", .. Device]);
        theirs.Dispose();
        using var frontEnd = listening ? FrontEnd.Connect(_folder.SocketPath) : new FrontEnd(mine);
        frontEnd.GetFeatures();
        if (listening)
        {
            frontEnd.Dispose();
            mine.Dispose();
            using var driver = TestDriver.Boot(_folder.SocketPath);
            Assert.DoesNotContain(Inheritable(daemon.Id), one => !_given.Contains(one.Number));
        }
        else
        {
            Assert.DoesNotContain(Inheritable(daemon.Id), one => !_given.Contains(one.Number));
        }
    }

    [Trait("Category", "Field")]
    [Theory]
    [InlineData("/nonexistent/folder")]
    [InlineData("/proc")]
    [InlineData("LONG")]
    public async Task A_program_is_tried_wherever_temporary_files_are_said_to_be(string folder)
    {
        if (folder == "LONG")
        {
            folder = Path.Combine(Path.GetDirectoryName(_folder.SocketPath)!, new string('x', 100));
            Directory.CreateDirectory(folder);
        }

        var start = new System.Diagnostics.ProcessStartInfo(BuildOutput.Daemon, ["try", "--device", BuildOutput.Reverse, "--", "dotnet", BuildOutput.ReverseGuest])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            Environment = { ["TMPDIR"] = folder },
        };
        using var process = System.Diagnostics.Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Patience.Limit, TestContext.Current.CancellationToken);
        Assert.Equal("", await errors);
        Assert.Equal("1234:0001:01 answered 1: Hello from the guest!\n", await output);
        Assert.Equal(0, process.ExitCode);
    }

    private static async Task<bool> Serves(DaemonProcess daemon)
    {
        try
        {
            await daemon.LineAsync("Listening on");
            return true;
        }
        catch (InvalidOperationException)
        {
            return false; // it ended
        }
    }

    /// <summary>The descriptors that programs which a process starts would have, beside the standard ones.</summary>
    private static IEnumerable<(int Number, string? Target)> Inheritable(int process)
    {
        foreach (var info in Directory.EnumerateFiles($"/proc/{process}/fdinfo"))
        {
            var number = int.Parse(Path.GetFileName(info), CultureInfo.InvariantCulture);
            string flags;
            try
            {
                flags = File.ReadLines(info).Single(line => line.StartsWith("flags:", StringComparison.Ordinal));
            }
            catch (IOException)
            {
                continue; // it was closed meanwhile
            }

            if (number > 2 && (Convert.ToInt32(flags["flags:".Length..].Trim(), 8) & CloseOnExec) == 0)
            {
                yield return (number, new FileInfo(info.Replace("fdinfo", "fd", StringComparison.Ordinal)).LinkTarget);
            }
        }
    }
}
