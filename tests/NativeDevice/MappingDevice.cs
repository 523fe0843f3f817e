// What tests/NativeDevice/mapping_device.c can be asked for.
using VirtioUser.Guest;

namespace NativeDevice;

/// <summary>A device that maps memory of its own into the guest's objects.</summary>
public static class MappingDevice
{
    public const int Page = 4096;

    public enum Operation
    {
        Map = 1,
        Unmap,
        Peek,
        Poke,
        PeekFile,
        Drop,
        Cut,
        Move,
        Stay,
        AwaitStay,
        Leave,
    }

    public enum Kind
    {
        Heap,
        Anonymous,
        PrivateFile,
        PrivateMemfd,
        SharedMemfd,
        SharedAnonymous,
        ReadOnlyFile,
        SharedFile,
        ShortFile,
        NoAccess,
        Nothing,
        Stack,
        Code,
        Kernel,
        AlreadyShared,
        Crooked,
        PrivateShm,
    }

    public static ulong Metadata(Operation operation, int slot, int value, int offset) =>
        ((ulong)operation << 56) | ((ulong)slot << 48) | ((ulong)value << 32) | (uint)offset;

    /// <summary>Makes memory full of the slot's number and maps it; 1 if that went well.</summary>
    public static uint Map(VirtioUserDevice device, SharedObject memory, int slot, Kind kind, int page, int pages) =>
        device.Ping(new PingRequest(memory, (ulong)page * Page, 1, Metadata(Operation.Map, slot, (int)kind, pages)));

    /// <summary>Unmaps it; 1 if that went well.</summary>
    public static uint Unmap(VirtioUserDevice device, SharedObject memory, int slot, int page) =>
        device.Ping(new PingRequest(memory, (ulong)page * Page, 1, Metadata(Operation.Unmap, slot, 0, 0)));

    public static uint Ask(VirtioUserDevice device, Operation operation, int slot, int value = 0, int offset = 0) =>
        device.Ping(new PingRequest(Metadata(operation, slot, value, offset)));
}
