using System.Runtime.InteropServices;

namespace VirtioUser.Vm;

/// <summary>Puts QEMU's command line together.</summary>
internal static class QemuCommandLine
{
    private const string DotnetInGuest = "/usr/share/dotnet";

    public static List<string> Build(GuestImage image, VirtualMachineOptions options, SocketFolder sockets)
    {
        if (options.ParallelCommands is < 1 or > 12)
        {
            throw new ArgumentException($"{options.ParallelCommands} parallel commands: the VM has ports for 1 to 12.");
        }

        // A panic ends QEMU where a reboot does; elsewhere the guest stands still, so that it does not boot again unseen.
        // Without KVM on a busy host the kernel's check of the timer can miss its ticks and end the boot.
        List<string> kernel = ["console=ttyS0", "no_timer_check", options.MayReboot ? "panic=0" : "panic=-1", "oops=panic", "loglevel=5", $"vu.commands={options.ParallelCommands + 1}"];
        List<string> qemu =
        [
            // The rings lie in the guest's memory, so the back-end must be able to map it: share=on.
            "-machine", $"q35,accel={(HostTools.HasKvm() ? "kvm" : "tcg")},memory-backend=memory", "-cpu", GuestProcessor.Model,
            "-smp", $"{options.Processors}", "-m", $"{options.MemoryMiB}",
            "-object", $"memory-backend-memfd,id=memory,size={options.MemoryMiB}M,share=on",
            "-nodefaults", "-no-user-config", "-display", "none",
            "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
            "-chardev", $"socket,id=qmp,path={sockets.PathOf("qmp")}", "-object", "monitor-qmp,id=monitor,chardev=qmp",
            "-device", "virtio-serial-pci,id=commands",
        ];
        if (!options.MayReboot)
        {
            qemu.Add("-no-reboot");
        }

        // Port 0 is set aside for a console. One pair more than asked for, so that a command can always be killed.
        for (var pair = 0; pair <= options.ParallelCommands; pair++)
        {
            AddPort(GuestCommandPort.OutputSocket(pair), 2 * pair + 1);
            AddPort(GuestCommandPort.ErrorSocket(pair), 2 * pair + 2);
        }

        // The first share is the guest's own file system, which /init mounts by this name.
        AddFolder("tree", image.Tree.Folder, writable: false);
        var number = 0;
        foreach (var share in (IEnumerable<Share>)
            [new(DotnetRoot(), DotnetInGuest), new(image.DriverFolder, GuestImage.DriverFolderInGuest), .. options.Shares])
        {
            share.Validate();
            AddFolder($"share{number}", share.HostFolder, share.Writable);
            kernel.Add($"vu.share=share{number++}:{share.GuestFolder}:{(share.Writable ? "rw" : "ro")}");
        }

        for (var i = 0; i < options.Devices.Count; i++)
        {
            var device = options.Devices[i];
            qemu.AddRange(["-chardev", $"socket,id=vhost-user-socket-{i},path={Escape(device.SocketPath)}"]);
            qemu.AddRange(["-device", $"pcie-root-port,id=vhost-user-port-{i},chassis={i + 1}"]);
            qemu.AddRange(["-device",
                $"{Qemu.DeviceModel},id=vhost-user-{i},bus=vhost-user-port-{i},chardev=vhost-user-socket-{i},virtio-id={device.VirtioId}," +
                $"num_vqs={device.QueueCount},vq_size={device.QueueSize},config_size={device.ConfigSize}"]);
        }

        return
        [
            .. image.Qemu.FirstArguments, .. qemu, .. options.QemuArguments,
            "-kernel", image.Tree.KernelPath, "-initrd", image.InitramfsPath, "-append", string.Join(' ', [.. kernel, .. options.KernelArguments]),
        ];

        void AddPort(string name, int number)
        {
            qemu.AddRange(["-chardev", $"socket,id={name},path={sockets.PathOf(name)}"]);
            qemu.AddRange(["-device", $"virtserialport,bus=commands.0,chardev={name},nr={number}"]);
        }

        void AddFolder(string tag, string folder, bool writable)
        {
            qemu.AddRange(["-fsdev", $"local,id={tag},path={Escape(folder)},security_model=none,multidevs=remap{(writable ? "" : ",readonly=on")}"]);
            qemu.AddRange(["-device", $"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]);
        }
    }

    /// <summary>The runtime that this program itself runs on.</summary>
    private static string DotnetRoot() => Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    // QEMU's option syntax: a comma in a value is written twice.
    private static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);
}
