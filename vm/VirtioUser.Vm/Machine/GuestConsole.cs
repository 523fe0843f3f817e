using System.Diagnostics;

namespace VirtioUser.Vm;

/// <summary>Listens to the guest's serial console: keeps its end for error messages, sees the first process start and the kernel panic.</summary>
internal sealed class GuestConsole(VirtualMachineOptions options)
{
    private const string UserSpace = "virtio-user-vm: user space"; // said by Guest/init.sh

    private static readonly string[] Complaints = ["BUG:", "WARNING:", "Oops", "general protection fault", "INFO: task", "Kernel panic"];

    private readonly Tail _tail = new(40);
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private readonly List<string> _complaints = [];
    private readonly TaskCompletionSource _panicked = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the kernel has said all about a panic and stands still; not if it is to restart then.</summary>
    public Task Panicked => _panicked.Task;

    /// <summary>The lines in which the kernel complained.</summary>
    public IReadOnlyList<string> KernelComplaints
    {
        get
        {
            lock (_complaints)
            {
                return [.. _complaints];
            }
        }
    }

    /// <summary>The last lines.</summary>
    public string Tail => _tail.ToString();

    /// <summary>Tells the VM's owner how far the boot has come.</summary>
    public void Report(BootStage stage) => options.Progress?.Invoke(stage, _watch.Elapsed);

    public void OnLine(string line)
    {
        _tail.Add(line);
        options.Console?.Invoke(line);
        if (line.Contains(UserSpace, StringComparison.Ordinal))
        {
            Report(BootStage.UserSpace);
        }

        if (Complaints.Any(word => line.Contains(word, StringComparison.Ordinal)))
        {
            lock (_complaints)
            {
                _complaints.Add(line);
            }
        }

        if (line.Contains("end Kernel panic", StringComparison.Ordinal))
        {
            _panicked.TrySetResult();
        }
    }
}
