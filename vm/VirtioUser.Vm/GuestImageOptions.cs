namespace VirtioUser.Vm;

/// <summary>Which guest to prepare.</summary>
public sealed record GuestImageOptions
{
    /// <summary>The environment variable that chooses the guest when nothing else does.</summary>
    public const string SuiteVariable = "VIRTIO_USER_GUEST";

    /// <summary>The Debian release of the guest: bookworm (Linux 6.1) or trixie (Linux 6.12).</summary>
    public string Suite { get; init; } = Environment.GetEnvironmentVariable(SuiteVariable) is { Length: > 0 } suite ? suite : "bookworm";

    /// <summary>Where what was prepared is kept.</summary>
    public string CacheFolder { get; init; } = ProjectFolders.Cache;

    /// <summary>The guest driver's source.</summary>
    public string DriverSource { get; init; } = ProjectFolders.Driver;
}
