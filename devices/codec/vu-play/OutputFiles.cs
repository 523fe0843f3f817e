// Which files the options name, and that no two of them are one.
using Virtio.Linux;

namespace VirtioUser.Codec.Play;

/// <summary>Finds options that would write over the video, or over each other's file.</summary>
internal static class OutputFiles
{
    /// <summary>Looks at all files before one is opened: opening to write empties it.</summary>
    /// <returns>What is wrong, a sentence without a full stop; null if nothing is.</returns>
    public static string? FindConflict(PlayOptions options)
    {
        List<(string Name, string Path)> files = [("FILE", options.File == "-" ? "/proc/self/fd/0" : options.File)];
        if (options.FrameMd5 is { } md5)
        {
            files.Add(("--framemd5", md5 == "-" ? "/proc/self/fd/1" : md5));
        }

        if (options.Sheet is { } sheet)
        {
            files.Add(("--sheet", sheet));
        }

        for (var second = 1; second < files.Count; second++)
        {
            for (var first = 0; first < second; first++)
            {
                if (IsSame(files[first].Path, files[second].Path))
                {
                    return $"{files[first].Name} and {files[second].Name} are the same file, which would be overwritten: {files[second].Path}";
                }
            }

            if (options.Png is { } folder && IsPictureIn(folder, files[second].Path))
            {
                return $"{files[second].Name} has the name of a picture in the folder of --png: {files[second].Path}";
            }
        }

        return options.Png is { } pictures && IsPictureIn(pictures, options.File)
            ? $"FILE has the name of a picture in the folder of --png, and would be overwritten: {options.File}"
            : null;
    }

    // Pipes, terminals and /dev/null may serve twice.
    private static bool IsSame(string one, string other)
    {
        var isOne = FileIdentity.TryGet(one, out var first, out var isFile);
        var isOther = FileIdentity.TryGet(other, out var second, out _);
        return isOne || isOther
            ? isOne && isOther && isFile && first == second
            : IsSamePlace(Target(one), Target(other));
    }

    /// <summary>Whether two files that are not there yet would be one.</summary>
    private static bool IsSamePlace(string one, string other) =>
        Path.GetFileName(one) == Path.GetFileName(other) &&
        FileIdentity.TryGet(FolderOf(one), out var first, out _) && FileIdentity.TryGet(FolderOf(other), out var second, out _) && first == second;

    private static bool IsPictureIn(string folder, string path)
    {
        var target = Target(path);
        var name = Path.GetFileName(target);
        return name.StartsWith("frame-", StringComparison.Ordinal) && name.EndsWith(".png", StringComparison.Ordinal) &&
            FileIdentity.TryGet(folder, out var first, out _) && FileIdentity.TryGet(FolderOf(target), out var second, out _) && first == second;
    }

    private static string FolderOf(string path) => Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/";

    /// <summary>Where a link leads, also if there is nothing.</summary>
    private static string Target(string path)
    {
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return path;
        }
    }
}
