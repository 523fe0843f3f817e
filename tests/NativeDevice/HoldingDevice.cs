// What tests/NativeDevice/holding_device.c can be asked for.
using VirtioUser.Guest;

namespace NativeDevice;

/// <summary>A device that holds bytes of the guest's objects for longer than a ping.</summary>
public static class HoldingDevice
{
    public enum Operation
    {
        Hold = 1,
        HoldBehind,
        HoldOf,
        Release,
        Peek,
        Poke,
        PokeLater,
        Write,
        PokeAtEnd,
        HoldAtEnd,
        AnswerOfEnd,
        Churn,
        Join,
        HoldWhenMade,
        AnswerWhenMade,
        PageOf,
        Stay,
        AwaitStay,
        Leave,
    }

    public static ulong Metadata(Operation operation, int slot = 0, int value = 0, uint number = 0) =>
        ((ulong)operation << 56) | ((ulong)slot << 48) | ((ulong)value << 32) | number;

    public static uint Ask(VirtioUserDevice device, Operation operation, int slot = 0, int value = 0, uint number = 0) =>
        device.Ping(new PingRequest(Metadata(operation, slot, value, number)));

    /// <summary>Asks about a whole object.</summary>
    public static uint Ask(VirtioUserDevice device, Operation operation, SharedObject memory, int slot = 0, int value = 0, uint number = 0) =>
        device.Ping(new PingRequest(memory, Metadata(operation, slot, value, number)));
}
