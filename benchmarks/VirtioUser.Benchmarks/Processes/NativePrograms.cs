// The programs in C, built by the compiler of the guest's tree: so they are built alike wherever the benchmarks run.
using System.Security.Cryptography;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Processes;

/// <summary>Static programs, kept in the cache by a hash of their source.</summary>
sealed class NativePrograms
{
    static readonly string[] Flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-pthread"];

    static readonly Dictionary<string, string[]> Sources = new()
    {
        ["floors"] = ["floors.c"],
        ["backend"] = ["backend.c", "message.c", "user_device.c"],
        ["driver"] = ["driver.c", "message.c"],
    };

    readonly string folder;

    NativePrograms(string folder) => this.folder = folder;

    /// <summary>The program that bounces eventfds and cache lines.</summary>
    public string Floors => Path.Combine(folder, "floors");

    /// <summary>The driver's side in C.</summary>
    public string Driver => Path.Combine(folder, "driver");

    static string Source => Path.Combine(ProjectFolders.Root, "benchmarks", "native");

    /// <summary>Starts the back-end in C.</summary>
    public Task<ServerProcess> StartBackEndAsync() => ServerProcess.StartAsync(Path.Combine(folder, "backend"), path => [$"--socket-path={path}"]);

    /// <summary>Builds them if their source has changed.</summary>
    /// <exception cref="SetupException">They do not build without a warning, or root is needed and not there.</exception>
    public static async Task<NativePrograms> PrepareAsync(CancellationToken cancellationToken)
    {
        string[] files = [.. Directory.EnumerateFiles(Source).Order(StringComparer.Ordinal)];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string file in files)
        {
            hash.AppendData(await File.ReadAllBytesAsync(file, cancellationToken));
        }

        hash.AppendData(System.Text.Encoding.UTF8.GetBytes(string.Join(' ', Flags)));
        string entry = Path.Combine(ProjectFolders.Cache, "benchmarks-" + Convert.ToHexStringLower(hash.GetHashAndReset())[..12]);
        if (!Directory.Exists(entry))
        {
            GuestTree tree = await GuestTree.PrepareAsync(new GuestImageOptions().Suite, cancellationToken: cancellationToken);
            DirectoryInfo partial = Directory.CreateTempSubdirectory("virtio-user-native-");
            try
            {
                foreach (string file in files)
                {
                    File.Copy(file, Path.Combine(partial.FullName, Path.GetFileName(file)));
                }

                foreach ((string program, string[] sources) in Sources)
                {
                    await BuildAsync(tree, partial.FullName, program, sources, cancellationToken);
                }

                Publish(partial.FullName, entry);
            }
            finally
            {
                partial.Delete(recursive: true);
            }
        }

        return new NativePrograms(entry);
    }

    // What can be found is whole: files are copied under another name first.
    static void Publish(string built, string entry)
    {
        string copy = $"{entry}.{Environment.ProcessId}";
        Directory.CreateDirectory(copy);
        foreach (string program in Sources.Keys)
        {
            File.Copy(Path.Combine(built, program), Path.Combine(copy, program));
        }

        try
        {
            Directory.Move(copy, entry);
        }
        catch (IOException) when (Directory.Exists(entry))
        {
            Directory.Delete(copy, recursive: true); // another run was as fast
        }
    }

    static async Task BuildAsync(GuestTree tree, string folder, string program, string[] sources, CancellationToken cancellationToken)
    {
        List<string> said = [];
        int code = await tree.RunAsync(
            new Dictionary<string, string> { ["native"] = folder },
            ["gcc", .. Flags, "-o", $"/mnt/native/{program}", .. sources.Select(source => $"/mnt/native/{source}")],
            line =>
            {
                lock (said)
                {
                    said.Add(line);
                }
            },
            cancellationToken);
        if (code != 0)
        {
            throw new SetupException($"{program} in {Source} does not build cleanly:\n{string.Join('\n', said)}");
        }
    }
}
