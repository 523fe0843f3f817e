// Numbers and bytes of vhost-user, for a peer that sends what no sound one does.
using System.Runtime.InteropServices;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>Front-end message types, with the numbers of the vhost-user document.</summary>
internal enum Request : uint
{
    GetFeatures = 1,
    SetFeatures = 2,
    SetOwner = 3,
    ResetOwner = 4,
    SetMemTable = 5,
    SetVringNum = 8,
    SetVringAddr = 9,
    SetVringBase = 10,
    GetVringBase = 11,
    SetVringKick = 12,
    SetVringCall = 13,
    SetVringErr = 14,
    GetProtocolFeatures = 15,
    SetProtocolFeatures = 16,
    GetQueueNum = 17,
    SetVringEnable = 18,
    SetBackEndReqFd = 21,
    GetConfig = 24,
    SetConfig = 25,
    GetInflightFd = 31,
    SetInflightFd = 32,
    GetShmemConfig = 44,
}

/// <summary>Flags, features, and payloads from numbers.</summary>
internal static class Wire
{
    public const uint Version = 1, Reply = 4, NeedReply = 8;

    public const ulong ProtocolFeaturesBit = 1UL << 30, Version1 = 1UL << 32, Indirect = 1UL << 28, EventIndex = 1UL << 29;

    public const ulong Sound = ProtocolFeaturesBit | Version1;

    public const ulong ReplyAck = 1UL << 3, BackEndRequests = 1UL << 5, SharedMemory = 1UL << 22;

    public static byte[] U32(params uint[] values) => MemoryMarshal.AsBytes<uint>(values).ToArray();

    public static byte[] U64(params ulong[] values) => MemoryMarshal.AsBytes<ulong>(values).ToArray();

    public static byte[] Message(uint request, uint flags, uint size, params byte[][] payload) => [.. U32(request, flags, size), .. payload.SelectMany(each => each)];

    /// <summary>A memory table of as many regions as there are.</summary>
    public static byte[] Table(params Region[] regions) => TableOf((uint)regions.Length, regions);

    /// <summary>A memory table that claims any number of regions.</summary>
    public static byte[] TableOf(uint count, params Region[] regions) =>
        [.. U32(count, 0), .. regions.SelectMany(each => U64(each.Guest, each.Size, each.User, each.Offset))];

    public static byte[] Address(uint index, ulong table, ulong used, ulong available, uint flags = 0, ulong log = 0) =>
        [.. U32(index, flags), .. U64(table, used, available, log)];
}

/// <summary>An entry of a memory table, without its descriptor.</summary>
internal sealed record Region(ulong Guest, ulong Size, ulong User, ulong Offset = 0);
