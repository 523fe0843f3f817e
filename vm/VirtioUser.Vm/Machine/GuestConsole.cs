using System.Diagnostics;

namespace VirtioUser.Vm;

/// <summary>Listens to the guest's serial console: keeps its end for error messages, sees the first process start and the kernel panic.</summary>
sealed class GuestConsole(VirtualMachineOptions options)
{
    const string UserSpace = "virtio-user-vm: user space"; // said by Guest/init.sh

    static readonly string[] Complaints = ["BUG:", "WARNING:", "Oops", "general protection fault", "INFO: task", "Kernel panic"];

    readonly Tail tail = new(40);
    readonly Stopwatch watch = Stopwatch.StartNew();
    readonly List<string> complaints = [];
    readonly TaskCompletionSource panicked = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the kernel has said all about a panic and stands still; not if it is to restart then.</summary>
    public Task Panicked => panicked.Task;

    /// <summary>The lines in which the kernel complained.</summary>
    public IReadOnlyList<string> KernelComplaints
    {
        get
        {
            lock (complaints)
            {
                return [.. complaints];
            }
        }
    }

    /// <summary>The last lines.</summary>
    public string Tail => tail.ToString();

    /// <summary>Tells the VM's owner how far the boot has come.</summary>
    public void Report(BootStage stage) => options.Progress?.Invoke(stage, watch.Elapsed);

    public void OnLine(string line)
    {
        tail.Add(line);
        options.Console?.Invoke(line);
        if (line.Contains(UserSpace, StringComparison.Ordinal))
        {
            Report(BootStage.UserSpace);
        }

        if (Complaints.Any(word => line.Contains(word, StringComparison.Ordinal)))
        {
            lock (complaints)
            {
                complaints.Add(line);
            }
        }

        if (line.Contains("end Kernel panic", StringComparison.Ordinal))
        {
            panicked.TrySetResult();
        }
    }
}
