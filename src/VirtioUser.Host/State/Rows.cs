// The rows of the tables of a device model.
using System.Runtime.InteropServices;
using VirtioUser.Protocol;

namespace VirtioUser.Host.State;

/// <summary>The last numbers given out.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct HeaderRow
{
    /// <summary>The last instance handle given out; handles are never used twice.</summary>
    public ulong LastHandle;

    /// <summary>The last shm_id given out; never used twice.</summary>
    public ulong LastShmId;

    /// <summary>The last number given to a ping: the order in which pings were taken.</summary>
    public ulong LastPing;
}

/// <summary>An instance; <see cref="Handle"/> 0 means that the row is free and is written last.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct InstanceRow
{
    public ulong Handle;
    public uint Vendor;
    public uint Device;
    public uint Version;
    public uint Failed;
}

/// <summary>A shared-memory object; <see cref="ShmId"/> 0 means that the row is free and is written last.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ObjectRow
{
    public ulong ShmId;
    public ulong Offset;
    public ulong Size;
    public ulong Exported;
}

/// <summary>One reference of an instance to an object; <see cref="ShmId"/> 0 means that the row is free.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ReferenceRow
{
    public ulong ShmId;
    public ulong InstanceHandle;
}

/// <summary>What has become of a ping.</summary>
internal static class PingState
{
    public const uint Free = 0;

    /// <summary>Taken from the queue; the callback has not returned.</summary>
    public const uint Unfinished = 1;

    /// <summary>The callback returned; the answer is not on the event queue yet.</summary>
    public const uint Answered = 2;

    /// <summary>The answer, if one was wanted, is on the event queue; the ring entry is not given back yet.</summary>
    public const uint Done = 3;
}

/// <summary>A ping that was taken from the queue.</summary>
[StructLayout(LayoutKind.Sequential, Pack = 4)]
internal struct PingRow
{
    /// <summary>No entry of the ring is held: it was given back.</summary>
    public const uint NoTicket = uint.MaxValue;

    public PingMessage Message;

    /// <summary>The ring entry that this ping still holds, or <see cref="NoTicket"/>.</summary>
    public uint Ticket;
    public ulong Number;
    public uint State;
    public uint Revents;
}
