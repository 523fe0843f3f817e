using VirtioUser.Vm;

namespace Runner;

/// <summary>The xunit test programs: the projects under tests/ whose names end with "Tests".</summary>
internal static class TestProjects
{
    /// <summary>The names of all of them, in order.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        .. Directory.EnumerateDirectories(Path.Combine(ProjectFolders.Root, "tests"), "*Tests")
            .Select(folder => Path.GetFileName(folder))
            .Where(project => File.Exists(Path.Combine(ProjectFolders.Root, FileOf(project))))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>The project's file, relative to the root.</summary>
    public static string FileOf(string project) => $"tests/{project}/{project}.csproj";

    /// <summary>The lines of a project's sources, for what can be seen without running it.</summary>
    public static bool Mentions(string project, string text) =>
        Directory.EnumerateFiles(Path.Combine(ProjectFolders.Root, "tests", project), "*.cs", SearchOption.AllDirectories)
            .Any(file => File.ReadAllText(file).Contains(text, StringComparison.Ordinal));
}
