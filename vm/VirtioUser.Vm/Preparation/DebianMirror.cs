namespace VirtioUser.Vm;

/// <summary>The Debian archive that this machine itself uses: trees are unpacked from there.</summary>
internal sealed record DebianMirror(string Uri, IReadOnlyList<string> AptOptions)
{
    private static readonly string[] ProxyOptions = ["Acquire::http::Proxy", "Acquire::https::Proxy"];

    /// <summary>Reads it out of apt's configuration, proxies too.</summary>
    /// <exception cref="SetupException">This is no Debian, or apt knows no archive for it.</exception>
    public static async Task<DebianMirror> FindAsync(CancellationToken cancellationToken)
    {
        var release = ReadOsRelease();
        var codename = release.GetValueOrDefault("VERSION_CODENAME", "");
        if (release.GetValueOrDefault("ID") != "debian" || codename.Length == 0 || !HostTools.Has("apt-get"))
        {
            throw new SetupException("The stock VM is unpacked from Debian's archive, found by apt's configuration: use a Debian 12 or 13 host.");
        }

        // Index targets know the archive whatever way the sources are written (one line, deb822, mirror lists).
        var targets = await ReadAsync(
            "apt-get", ["indextargets", "--format", "$(RELEASE) $(CODENAME) $(COMPONENT) $(REPO_URI)", "Identifier: Packages"], cancellationToken).ConfigureAwait(false);
        var uri = targets.Select(target => target.Split(' ', 4))
            .FirstOrDefault(t => t.Length == 4 && (t[0] == codename || t[1] == codename) && t[2] == "main")?[3]
            ?? throw new SetupException($"apt has no source for Debian {codename} main: add one to /etc/apt/sources.list.");

        List<string> options = [];
        foreach (var option in ProxyOptions)
        {
            var value = await ReadAsync("apt-config", ["dump", "--format", "%v", option], cancellationToken).ConfigureAwait(false);
            if (value is [{ Length: > 0 } proxy, ..])
            {
                options.Add($"{option} \"{proxy}\"");
            }
        }

        return new DebianMirror(uri, options);
    }

    private static async Task<List<string>> ReadAsync(string program, string[] arguments, CancellationToken cancellationToken)
    {
        List<string> lines = [];
        await ChildProcess.RunAsync(program, arguments, new() { Output = lines.Add }, cancellationToken).ConfigureAwait(false);
        return lines;
    }

    private static Dictionary<string, string> ReadOsRelease() =>
        File.ReadLines("/etc/os-release").Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2)
            .ToDictionary(pair => pair[0], pair => pair[1].Trim('"'));
}
