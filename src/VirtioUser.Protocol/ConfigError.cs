// What a config reply says went wrong.
namespace VirtioUser.Protocol;

/// <summary>The <c>error</c> of a config reply. The draft lists failures without values; these are ours.</summary>
public enum ConfigError : uint
{
    /// <summary>It worked.</summary>
    None = 0,

    /// <summary>The host has no such device, or the device cannot be used.</summary>
    DeviceInitializationFailed = 1,

    /// <summary>The device did not make an instance, or there are too many.</summary>
    InstanceCreationFailed = 2,

    /// <summary>No such instance, no room, or a size of zero.</summary>
    AllocationFailed = 3,

    /// <summary>The instance does not hold the object.</summary>
    ExportFailed = 4,

    /// <summary>No such object, or it was not exported.</summary>
    ImportFailed = 5,

    /// <summary>No such instance to destroy, or to explain.</summary>
    InstanceDestructionFailed = 6,

    /// <summary>The instance does not hold the object.</summary>
    FreeFailed = 7,

    /// <summary>Unknown operation, message of the wrong length, a tag that is in flight, or flags that make no sense.</summary>
    BadRequest = 8,
}
