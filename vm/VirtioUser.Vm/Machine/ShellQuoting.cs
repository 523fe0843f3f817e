namespace VirtioUser.Vm;

/// <summary>Puts arguments on one line that a shell takes apart again.</summary>
internal static class ShellQuoting
{
    /// <summary>One line, whatever the arguments hold.</summary>
    /// <exception cref="ArgumentException">An argument holds a NUL character, which no program can be given.</exception>
    public static string Quote(IEnumerable<string> arguments) => string.Join(' ', arguments.Select(Quote));

    private static string Quote(string argument) => argument.Contains('\0', StringComparison.Ordinal)
        ? throw new ArgumentException("An argument can not hold a NUL character.")
        : '\'' + argument.Replace("'", @"'\''", StringComparison.Ordinal).Replace("\n", @"'$'\n''", StringComparison.Ordinal) + '\'';
}
