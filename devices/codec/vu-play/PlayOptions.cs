// What the command line says.
namespace VirtioUser.Codec.Play;

/// <summary>What to decode and what to do with the pictures.</summary>
internal sealed record PlayOptions
{
    /// <summary>The file.</summary>
    public required string File { get; init; }

    /// <summary>Where the listing of MD5 sums goes; "-" is the standard output, null is nowhere.</summary>
    public string? FrameMd5 { get; init; }

    /// <summary>The folder for PNG files, or null.</summary>
    public string? Png { get; init; }

    /// <summary>How many pictures a PNG file stands for.</summary>
    public int Every { get; init; } = 1;

    /// <summary>The PNG file for the contact sheet, or null.</summary>
    public string? Sheet { get; init; }

    /// <summary>Threads of the decoder on the host.</summary>
    public int Threads { get; init; }

    /// <summary>Bytes of memory for pictures.</summary>
    public long FrameMemory { get; init; }

    /// <summary>Whether the summary is a line of JSON on the standard output.</summary>
    public bool Json { get; init; }
}
