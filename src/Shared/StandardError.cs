// What a program says where nobody may listen. Compiled into each program that ends with a sentence.
namespace Virtio;

/// <summary>The standard error, which may be full or closed: then nobody can be told, and the exit code stands.</summary>
internal static class StandardError
{
    /// <summary>Writes a line. Any thread.</summary>
    public static void WriteLine(string line)
    {
        try
        {
            Console.Error.WriteLine(line);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) // the latter where it is closed
        {
            // As said above.
        }
    }
}
