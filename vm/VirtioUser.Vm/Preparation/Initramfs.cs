using System.Text;

namespace VirtioUser.Vm;

/// <summary>The guest's first file system: a shell, the modules that reach the shared folders, and /init.</summary>
internal static class Initramfs
{
    // Reaches PCI, the shared folders and the ports that commands come in by. What they depend on is looked up.
    private static readonly string[] Modules = ["virtio_pci", "9pnet_virtio", "9p", "virtio_console"];

    /// <summary>Returns the archive's path; writes it first if need be.</summary>
    public static async Task<string> GetAsync(GuestTree tree, string suite, Cache cache, CancellationToken cancellationToken)
    {
        string init = EmbeddedScripts.Read("init.sh"), commands = EmbeddedScripts.Read("commands.sh");
        var key = Cache.KeyOf([GuestTree.KeyOf(suite), .. Modules, init, commands]);
        var folder = await cache.GetAsync("initramfs-" + suite, key, partial =>
        {
            using var file = File.Create(Path.Combine(partial, "initramfs.cpio"));
            Write(new CpioWriter(file), tree, init, commands);
            return Task.CompletedTask;
        }, cancellationToken).ConfigureAwait(false);
        return Path.Combine(folder, "initramfs.cpio");
    }

    private static void Write(CpioWriter cpio, GuestTree tree, string init, string commands)
    {
        foreach (var name in (string[])["dev", "proc", "sys", "run", "tmp", "mnt", "root", "usr", "etc", "opt", "opt/virtio-user", "tree", "boot", "boot/modules"])
        {
            cpio.AddFolder(name);
        }

        foreach (var merged in (string[])["bin", "sbin", "lib", "lib64"])
        {
            cpio.AddLink(merged, "usr/" + merged);
        }

        cpio.AddCharacterDevice("dev/console", 5, 1); // where /init's first words go, before /dev is mounted
        cpio.AddFile("init", Encoding.UTF8.GetBytes(init), executable: true);
        cpio.AddFile("boot/commands", Encoding.UTF8.GetBytes(commands));
        cpio.AddFile("boot/busybox", File.ReadAllBytes(Path.Combine(tree.Folder, "usr/bin/busybox")), executable: true);
        StringBuilder order = new();
        foreach (var module in InLoadOrder(tree.Modules))
        {
            cpio.AddFile("boot/modules/" + Path.GetFileName(module), File.ReadAllBytes(module));
            order.Append(Path.GetFileName(module)).Append('\n');
        }

        cpio.AddFile("boot/modules/order", Encoding.UTF8.GetBytes(order.ToString()));
        cpio.Finish();
    }

    /// <summary>The files of the wanted modules, each after those it needs; what the kernel has built in is left out.</summary>
    private static List<string> InLoadOrder(string folder)
    {
        // modules.dep: "path: path path …", the module first, then what it needs, the last one to be loaded first.
        var needs = File.ReadLines(Path.Combine(folder, "modules.dep"))
            .Select(line => line.Split([':', ' '], StringSplitOptions.RemoveEmptyEntries))
            .ToDictionary(paths => Path.GetFileNameWithoutExtension(paths[0]), paths => paths);
        HashSet<string> builtIn = [.. File.ReadLines(Path.Combine(folder, "modules.builtin")).Select(path => Path.GetFileNameWithoutExtension(path)!)];
        List<string> files = [];
        foreach (var module in Modules.Where(module => !builtIn.Contains(module)))
        {
            if (!needs.TryGetValue(module, out var paths))
            {
                throw new SetupException($"The guest's kernel has no module {module}: choose another guest.");
            }

            files.AddRange(paths.Reverse().Select(path => Path.Combine(folder, path)).Where(path => !files.Contains(path)));
        }

        return files;
    }
}
