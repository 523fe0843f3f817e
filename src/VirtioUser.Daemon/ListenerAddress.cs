// Where to listen, and under what name.
using System.Text;

namespace VirtioUser.Daemon;

/// <summary>A Unix socket to listen on, and the name of the listener in the log and in the metrics.</summary>
/// <param name="Name">Letters, digits, '-' and '_'.</param>
/// <param name="Path">The path.</param>
/// <param name="IsNamed">Whether the name was given, rather than made of the path.</param>
/// <param name="Limits">What each of its connections may have.</param>
internal sealed record ListenerAddress(string Name, string Path, bool IsNamed, ConnectionLimits Limits)
{
    /// <summary>The most characters of a name.</summary>
    public const int MaxName = 32;

    private const int MaxPath = 107;

    /// <summary>Reads <c>[NAME=]PATH[,OPTION=VALUE]...</c>.</summary>
    /// <remarks>
    /// A '=' before the first '/' ends a name. A path that has one there can be written with <c>./</c> before it, and one with a comma
    /// with two, as for QEMU; so every path can be given, and none is taken for something else.
    /// </remarks>
    /// <param name="text">What was given.</param>
    /// <param name="limits">What a connection may have where no option says something else.</param>
    /// <param name="error">Why it is no address, as a part of a sentence; null if it is one.</param>
    public static ListenerAddress? Parse(string text, ConnectionLimits limits, out string? error)
    {
        const char comma = '\0'; // which no argument has

        var parts = text.Replace(",,", $"{comma}", StringComparison.Ordinal).Split(',').Select(part => part.Replace(comma, ',')).ToList();
        if (ParseAddress(parts[0], limits, out error) is not { } address)
        {
            return null;
        }

        foreach (var option in parts.Skip(1))
        {
            var equals = option.IndexOf('=', StringComparison.Ordinal);
            var (name, value) = equals < 0 ? (option, "") : (option[..equals], option[(equals + 1)..]);
            if (address.Limits.With(name, value, out error) is not { } changed)
            {
                error = $"{address.Path}: {error}";
                return null;
            }

            address = address with { Limits = changed };
        }

        return address;
    }

    private static ListenerAddress? ParseAddress(string text, ConnectionLimits limits, out string? error)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var isNamed = equals >= 0 && !text.AsSpan(0, equals).Contains('/');
        var path = isNamed ? text[(equals + 1)..] : text;
        error = isNamed && !IsName(text.AsSpan(0, equals))
                ? $"{text} has no name before the '=': that is 1 to {MaxName} letters, digits, '-' and '_'. A path can begin with ./"
            : path.Length == 0 ? text.Length == 0 ? "is empty" : $"{text} has no path behind the '='"
            : Encoding.UTF8.GetByteCount(path) > MaxPath ? $"{path} is too long: the path of a socket has at most {MaxPath} bytes"
            : null;
        return error is null ? new ListenerAddress(isNamed ? text[..equals] : NameOf(path), path, isNamed, limits) : null;
    }

    private static bool IsName(ReadOnlySpan<char> text)
    {
        foreach (var character in text)
        {
            if (!IsOfName(character))
            {
                return false;
            }
        }

        return text.Length is > 0 and <= MaxName;
    }

    private static bool IsOfName(char character) => char.IsAsciiLetterOrDigit(character) || character is '-' or '_';

    /// <summary>The name of the file as far as it can be one, without its ending.</summary>
    private static string NameOf(string path)
    {
        var name = string.Concat(System.IO.Path.GetFileNameWithoutExtension(path).Take(MaxName).Select(each => IsOfName(each) ? each : '-'));
        return name.Length == 0 ? "default" : name;
    }
}
