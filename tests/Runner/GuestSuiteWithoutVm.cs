using System.Text.Json;
using NativeDevice;
using VirtioUser.Vm;

namespace Runner;

/// <summary>
/// The guest's test program on this machine, straight through a daemon's socket: the same tests that the vm group runs
/// through the guest driver, but for those that are about the driver.
/// </summary>
internal static class GuestSuiteWithoutVm
{
    /// <summary>The test program.</summary>
    public const string Project = "VirtioUser.Guest.Tests";

    // The trait of tests that need more than an open device (tests/VirtioUser.Guest.Tests/Given.cs), and why they are left out.
    private const string Needs = "needs";

    private static readonly Dictionary<string, string> LeftOut = new()
    {
        ["driver"] = "needs the guest driver: the vm group runs this",
        ["processes"] = "needs several processes on one device, which the guest driver makes possible: the vm group runs this",
    };

    private static readonly string[] Devices = ["TestDevice", "TestDevice.Second", "VirtioUser.Devices.Gzip", "VirtioUser.Devices.Digest"];

    /// <summary>Starts a daemon, runs the tests against it, and reports by their classes those that were left out.</summary>
    /// <param name="report">Gets each outcome.</param>
    /// <param name="busyWith">Gets what goes on in between.</param>
    /// <param name="choice">A choice among the tests, as arguments of the test program; null for all, and a report of what was left out.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    public static async Task RunAsync(
        Action<Outcome> report, Action<string> busyWith, IReadOnlyList<string>? choice = null, CancellationToken cancellationToken = default)
    {
        busyWith("devices in C");
        string[] devices = [.. Devices.Select(BuildOutput.ProgramOf), .. await NativeDevices.GetForGuestAsync()];
        await using (var daemon = await DaemonProcess.StartAsync(devices, cancellationToken: cancellationToken))
        {
            await new TestProgram(Project, outcome => Report(outcome.Test, outcome.Verdict, outcome.Message), busyWith)
            {
                Arguments = [.. choice ?? [], .. LeftOut.Keys.SelectMany(need => new[] { "-trait-", $"{Needs}={need}" })],
                Environment = new Dictionary<string, string?> { ["VIRTIO_USER"] = $"unix:{daemon.SocketPath}" },
            }.RunAsync(cancellationToken);
            await CheckNothingIsLeftAsync(daemon);
        }

        foreach ((var need, var reason) in choice is null ? LeftOut : [])
        {
            foreach (var group in (await ListAsync(need)).GroupBy(test => test[..test.LastIndexOf('.')]))
            {
                Report($"{group.Key}, tests: {group.Count()}", Verdict.Skipped, reason);
            }
        }

        void Report(string test, Verdict verdict, string message = "") => report(new Outcome($"without a VM: {test}", verdict, message));

        async Task CheckNothingIsLeftAsync(DaemonProcess daemon)
        {
            string[] left = [];
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            patience.CancelAfter(TimeSpan.FromSeconds(20)); // the daemon ends instances after the connection has ended
            do
            {
                List<string> now = [];
                foreach (var level in new[] { "virtio_user_instances", "virtio_user_objects", "virtio_user_memory_bytes" })
                {
                    var value = await daemon.ReadMetricAsync(level, cancellationToken);
                    if (value != 0)
                    {
                        now.Add($"{level} is {value}");
                    }
                }

                left = [.. now];
            }
            while (left.Length > 0 && !patience.IsCancellationRequested);
            Report("The suite leaves nothing behind in the daemon", left.Length == 0 ? Verdict.Passed : Verdict.Failed, string.Join(", ", left));
        }

        async Task<string[]> ListAsync(string need)
        {
            List<string> lines = [];
            await ChildProcess.RunAsync(
                "dotnet", [BuildOutput.ProgramOf(Project), "-list", "tests/json", "-trait", $"{Needs}={need}"],
                new() { Output = lines.Add }, cancellationToken);
            var output = string.Concat(lines);
            return output.Contains('[', StringComparison.Ordinal)
                ? JsonSerializer.Deserialize<string[]>(output[output.IndexOf('[', StringComparison.Ordinal)..(output.LastIndexOf(']') + 1)])!
                : [];
        }
    }
}
