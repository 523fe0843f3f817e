namespace VirtioUser.Vm;

/// <summary>The shell scripts in the folder Guest, which are part of this assembly.</summary>
internal static class EmbeddedScripts
{
    public static string Read(string name)
    {
        using var stream = typeof(EmbeddedScripts).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not part of this assembly.");
        using StreamReader reader = new(stream);
        return reader.ReadToEnd();
    }
}
