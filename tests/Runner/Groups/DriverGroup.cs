using VirtioUser.Vm;

namespace Runner;

/// <summary>The guest driver builds for every kernel that it is for, and the kernel's own checkers find nothing in it.</summary>
internal sealed class DriverGroup : CheckingGroup
{
    public override string Name => "driver";

    public override string Description => "the kernel driver: warnings, sparse, checkpatch, for each stock kernel";

    public override async Task RunAsync(Action<Outcome> report, Action<string> busyWith, CancellationToken cancellationToken)
    {
        var checkers = await CheckerTree.PrepareAsync(Show(busyWith), cancellationToken);
        foreach (var suite in GuestTree.Suites)
        {
            var tree = await GuestTree.PrepareAsync(suite, Show(busyWith), cancellationToken);
            var build = Directory.CreateTempSubdirectory("virtio-user-driver-");
            try
            {
                DriverBuild.CopySource(ProjectFolders.Driver, build.FullName);
                Dictionary<string, string> mounts = new() { ["driver"] = build.FullName, ["checkpatch"] = checkers.CheckpatchFolder };
                string[] make = ["make", "--directory=/mnt/driver", $"KDIR={tree.KernelBuildFolder}", "CHECKPATCH=/mnt/checkpatch/checkpatch.pl"];
                await CheckAsync(
                    $"Linux {tree.KernelRelease}: make check (W=1, sparse, checkpatch)", report, busyWith,
                    hear => tree.RunAsync(mounts, [.. make, "check"], hear, cancellationToken));
                await CheckAsync(
                    $"Linux {tree.KernelRelease}: the C program includes the uapi header alone", report, busyWith,
                    hear => tree.RunAsync(mounts, [.. make, "smoke"], hear, cancellationToken));
            }
            finally
            {
                build.Delete(recursive: true);
            }
        }
    }
}
