using System.Text.RegularExpressions;

namespace VirtioUser.Vm;

/// <summary>A vhost-user back-end that becomes a virtio device of the VM. It must listen before the VM is started.</summary>
/// <param name="SocketPath">The back-end's socket.</param>
public sealed record VhostUserDevice(string SocketPath)
{
    /// <summary>The virtio device ID.</summary>
    public int VirtioId { get; init; } = 21;

    /// <summary>Number of virtqueues.</summary>
    public int QueueCount { get; init; } = 4;

    /// <summary>Entries of each virtqueue.</summary>
    public int QueueSize { get; init; } = 128;

    /// <summary>Bytes of the device's configuration space.</summary>
    public int ConfigSize { get; init; } = 64;
}

/// <summary>A folder of the host that the guest sees.</summary>
/// <param name="HostFolder">The folder on the host.</param>
/// <param name="GuestFolder">
/// Where the guest sees it; made if it is not there, which is possible in /mnt, /opt, /root, /run and /tmp. Letters, digits and "._-/" only.
/// </param>
/// <param name="Writable">True if the guest may write to it; a read-only folder must not change while the VM runs.</param>
public sealed partial record Share(string HostFolder, string GuestFolder, bool Writable = false)
{
    internal void Validate()
    {
        if (!GuestPath().IsMatch(GuestFolder))
        {
            throw new ArgumentException($"{GuestFolder} can not be a share's folder in the guest: use an absolute path of letters, digits and \"._-/\".");
        }

        if (!Directory.Exists(HostFolder))
        {
            throw new SetupException($"{HostFolder} is to be shared with the guest and is no folder: name one that is there.");
        }
    }

    [GeneratedRegex(@"^(/[A-Za-z0-9._-]+)+$")]
    private static partial Regex GuestPath();
}

/// <summary>How a VM is started.</summary>
public sealed record VirtualMachineOptions
{
    /// <summary>The guest's memory, in MiB.</summary>
    public int MemoryMiB { get; init; } = 512;

    /// <summary>The guest's virtual processors.</summary>
    public int Processors { get; init; } = 1;

    /// <summary>
    /// The vhost-user devices; the n-th one, from 0, is named <c>vhost-user-n</c> and sits behind a port of its own,
    /// so that <c>device_del</c> takes it out.
    /// </summary>
    public IReadOnlyList<VhostUserDevice> Devices { get; init; } = [];

    /// <summary>Host folders that the guest sees besides its own files, the driver and .NET's runtime.</summary>
    public IReadOnlyList<Share> Shares { get; init; } = [];

    /// <summary>How many commands can run in the guest at once, 1 to 12.</summary>
    public int ParallelCommands { get; init; } = 4;

    /// <summary>True lets the guest reboot; otherwise a reboot ends the VM, and a panic ends it at once.</summary>
    public bool MayReboot { get; init; }

    /// <summary>Called for each line of the guest's console (kernel messages), from one thread at a time.</summary>
    public Action<string>? Console { get; init; }

    /// <summary>Called when the boot comes to a new stage, with the time since QEMU was started.</summary>
    public Action<BootStage, TimeSpan>? Progress { get; init; }

    /// <summary>How long the guest may take to boot before it is given up.</summary>
    public TimeSpan BootTimeout { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>More words for the guest kernel's command line.</summary>
    public IReadOnlyList<string> KernelArguments { get; init; } = [];

    /// <summary>More arguments for QEMU.</summary>
    public IReadOnlyList<string> QemuArguments { get; init; } = [];
}

/// <summary>How far a boot has come.</summary>
public enum BootStage
{
    /// <summary>QEMU runs; firmware and kernel are at work.</summary>
    Kernel,

    /// <summary>The kernel has started the first process.</summary>
    UserSpace,

    /// <summary>The guest takes commands.</summary>
    Ready,
}
