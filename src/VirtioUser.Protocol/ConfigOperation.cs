// What a config message asks for.
namespace VirtioUser.Protocol;

/// <summary>The <c>msg_type</c> of a config message (draft, "Config Virtqueue Messages").</summary>
public enum ConfigOperation : uint
{
    /// <summary>List the devices of the host.</summary>
    EnumerateDevices = 0,

    /// <summary>Make an instance of the device that element 0 of the three arrays names.</summary>
    CreateInstance = 1,

    /// <summary>End an instance and drop its references to shared memory.</summary>
    DestroyInstance = 2,

    /// <summary>Make a shared-memory object.</summary>
    AllocateMemory = 3,

    /// <summary>Drop the instance's reference to an object.</summary>
    FreeMemory = 4,

    /// <summary>Let other instances import an object.</summary>
    ExportMemory = 5,

    /// <summary>Take a reference to an exported object.</summary>
    ImportMemory = 6,

    /// <summary>Tell in the reply's reason why the instance's last ping failed, or why it has ended. 7 to 9 are kept for reclaim.</summary>
    Explain = 10,
}
