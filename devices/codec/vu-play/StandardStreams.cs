// What the program was started with.
using Microsoft.Win32.SafeHandles;

namespace VirtioUser.Codec.Play;

/// <summary>The standard streams, whose faults are told where they matter and nowhere else.</summary>
internal static class StandardStreams
{
    private const int Input = 0, Output = 1;

    /// <summary>Opens the standard input. Faults are <see cref="IOException"/>s.</summary>
    public static Stream OpenInput() => new FileStream(new SafeFileHandle(Input, ownsHandle: false), FileAccess.Read, bufferSize: 0);

    /// <summary>Opens the standard output. That nobody reads it any more is an <see cref="IOException"/>.</summary>
    public static Stream OpenOutput()
    {
        // The console's stream takes a closed pipe for success. But a regular file, which others may share, it alone writes on from where it is.
        FileStream stream = new(new SafeFileHandle(Output, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return stream.CanSeek ? Console.OpenStandardOutput() : stream;
    }
}
