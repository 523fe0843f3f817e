// What the daemon says beside its log.
namespace VirtioUser.Daemon;

/// <summary>Standard error, which may be full or closed: then nobody can be told, and the exit code stands.</summary>
internal static class StandardError
{
    /// <summary>Writes a sentence behind the program's name. Any thread.</summary>
    public static async Task WriteLineAsync(string message)
    {
        try
        {
            await Console.Error.WriteLineAsync($"virtio-userd: {message}").ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // As said above.
        }
    }
}
