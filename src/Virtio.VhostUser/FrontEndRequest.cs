// The messages that a front-end sends.
namespace Virtio.VhostUser;

/// <summary>Front-end message types that this library handles, with the numbers of the specification.</summary>
public enum FrontEndRequest
{
    /// <summary>No request.</summary>
    None = 0,
    /// <summary>Asks for the virtio features.</summary>
    GetFeatures = 1,
    /// <summary>Sets the virtio features in use.</summary>
    SetFeatures = 2,
    /// <summary>Begins the session.</summary>
    SetOwner = 3,
    /// <summary>Stops all rings. Obsolete, still understood.</summary>
    ResetOwner = 4,
    /// <summary>Tells the guest's memory, with a descriptor for each region.</summary>
    SetMemoryTable = 5,
    /// <summary>Sets the size of a ring.</summary>
    SetVringNum = 8,
    /// <summary>Sets the addresses of a ring.</summary>
    SetVringAddr = 9,
    /// <summary>Sets the available index from which a ring goes on.</summary>
    SetVringBase = 10,
    /// <summary>Stops a ring and asks for its available index.</summary>
    GetVringBase = 11,
    /// <summary>Gives the descriptor with which the driver kicks.</summary>
    SetVringKick = 12,
    /// <summary>Gives the descriptor with which the device calls.</summary>
    SetVringCall = 13,
    /// <summary>Gives the descriptor with which the device reports errors.</summary>
    SetVringErr = 14,
    /// <summary>Asks for the protocol features.</summary>
    GetProtocolFeatures = 15,
    /// <summary>Sets the protocol features in use.</summary>
    SetProtocolFeatures = 16,
    /// <summary>Asks for the number of queues.</summary>
    GetQueueNum = 17,
    /// <summary>Enables or disables a ring.</summary>
    SetVringEnable = 18,
    /// <summary>Gives the socket for the back-end's own requests.</summary>
    SetBackEndRequestDescriptor = 21,
    /// <summary>Reads the configuration space.</summary>
    GetConfig = 24,
    /// <summary>Writes the configuration space.</summary>
    SetConfig = 25,
    /// <summary>Asks for the sizes of the shared memory regions.</summary>
    GetSharedMemoryConfig = 44,
}
