// A project to build, and what builds it.
using System.Diagnostics;
using VirtioUser.Vm;

namespace Build.Tests;

/// <summary>A folder with a project in it, build/build.sh, and a <c>dotnet</c> that notes how it was called instead of building.</summary>
internal sealed class ScratchProject : IDisposable
{
    private const string Dotnet =
        """
        #!/usr/bin/env bash
        case $1 in
        --list-sdks) echo "10.0.100 [here]" ;;
        build)
            echo "$*" >>"$NOTES"
            if [[ -f $MEANWHILE ]]; then source "$MEANWHILE"; fi
            mkdir -p artifacts/bin/App/release
            echo "$RANDOM" >artifacts/bin/App/release/App.dll
            echo "  App -> $PWD/artifacts/bin/App/release/App.dll"
            ;;
        esac
        """;

    private const UnixFileMode Executable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("virtio-user-build-");

    public ScratchProject()
    {
        Write("build/build.sh", File.ReadAllText(Path.Combine(ProjectFolders.Root, "build", "build.sh")));
        Write("app/App.csproj", "<Project />");
        Write("app/Program.cs", "first");
        Write("app/Old name.cs", "with a space in its name");
        Write("Directory.Build.props", "<Project />");
        Write("README.md", "words");
        Write("driver/module.c", "C");
        WriteBeside("dotnet/dotnet", Dotnet);
        File.SetUnixFileMode(PathBeside("dotnet/dotnet"), Executable);
        Directory.CreateDirectory(PathBeside("dotnet/sdk/10.0.100"));
        Directory.CreateDirectory(PathBeside("dotnet/shared/Microsoft.NETCore.App/10.0.1"));
    }

    /// <summary>The project's folder.</summary>
    public string Root => Path.Combine(_folder.FullName, "project");

    /// <summary>A file of the project.</summary>
    public string PathOf(string file) => Path.Combine(Root, file);

    /// <summary>A file that lies beside the project.</summary>
    public string PathBeside(string file) => Path.Combine(_folder.FullName, file);

    public void Write(string file, string text) => WriteBeside(Path.Combine("project", file), text);

    /// <summary>A script that runs in the next builds, in the project's folder.</summary>
    public void Meanwhile(string script) => WriteBeside("meanwhile", script);

    public void WriteBeside(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathBeside(file))!);
        File.WriteAllText(PathBeside(file), text);
    }

    /// <summary>Asks for a build.</summary>
    /// <returns>The exit code, what was said, and the command line by which dotnet was called; null if it was not.</returns>
    public async Task<(int Code, string Said, string? Call)> BuildAsync()
    {
        var start = new ProcessStartInfo("bash", ["build/build.sh", "app", "app/App.csproj"])
        {
            WorkingDirectory = Root,
            RedirectStandardError = true,
            Environment =
            {
                ["PATH"] = $"{PathBeside("dotnet")}:{Environment.GetEnvironmentVariable("PATH")}",
                ["NOTES"] = PathBeside("notes"),
                ["MEANWHILE"] = PathBeside("meanwhile"),
            },
        };
        File.Delete(PathBeside("notes"));
        using var build = Process.Start(start)!;
        var said = await build.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await build.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (build.ExitCode, said, File.Exists(PathBeside("notes")) ? (await File.ReadAllTextAsync(PathBeside("notes"), TestContext.Current.CancellationToken)).Trim() : null);
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
