namespace VirtioUser.Vm;

/// <summary>Where the project's own folders are.</summary>
public static class ProjectFolders
{
    private const string Landmark = "VirtioUser.slnx";

    private static readonly string? Found = Find(AppContext.BaseDirectory) ?? Find(Directory.GetCurrentDirectory());

    /// <summary>The folder that holds the solution: above the running program, or above the working folder.</summary>
    /// <exception cref="SetupException">Neither lies inside the project.</exception>
    public static string Root => Found
        ?? throw new SetupException($"No {Landmark} was found above the working folder: run this inside the project's folder.");

    /// <summary>What takes long to make is kept here; ignored by git, safe to delete.</summary>
    public static string Cache => Path.Combine(Root, ".cache");

    /// <summary>The guest driver's source.</summary>
    public static string Driver => Path.Combine(Root, "driver", "linux");

    private static string? Find(string start)
    {
        for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, Landmark)))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
