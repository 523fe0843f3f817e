// The answer to --print-capabilities.
namespace VirtioUser.Daemon;

/// <summary>
/// What a manager of virtual machines learns before it starts the daemon (vhost-user document, "Backend
/// program conventions"): the kind of back-end. No optional feature is defined for it.
/// </summary>
internal static class Capabilities
{
    /// <summary>Prints the capabilities as one JSON object.</summary>
    /// <returns>The exit code, 0.</returns>
    public static int Print()
    {
        Console.WriteLine("""{ "type": "user", "features": [] }""");
        return 0;
    }
}
