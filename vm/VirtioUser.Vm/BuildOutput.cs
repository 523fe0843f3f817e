namespace VirtioUser.Vm;

/// <summary>Where the programs of the build that this program belongs to are: side by side, artifacts/bin/PROJECT/CONFIGURATION.</summary>
public static class BuildOutput
{
    /// <summary>A file that a project's build made.</summary>
    /// <param name="project">The project's name.</param>
    /// <param name="file">The file's name.</param>
    /// <returns>Its full path.</returns>
    /// <exception cref="SetupException">It is not there.</exception>
    public static string PathOf(string project, string file)
    {
        var path = Path.Combine(FolderOf(project), file);
        return File.Exists(path) ? path : throw new SetupException($"{path} is not there: build the solution first.");
    }

    /// <summary>The folder that a project's build goes to.</summary>
    /// <param name="project">The project's name.</param>
    public static string FolderOf(string project)
    {
        DirectoryInfo own = new(AppContext.BaseDirectory);
        return Path.Combine(own.Parent!.Parent!.FullName, project, own.Name);
    }
}
