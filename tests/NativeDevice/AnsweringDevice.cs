// What tests/NativeDevice/answering_device.c can be asked for.
using VirtioUser.Guest;

namespace NativeDevice;

/// <summary>A device that answers pings when other pings tell it to.</summary>
public static class AnsweringDevice
{
    public enum Operation
    {
        Keep = 1,
        Complete,
        Fail,
        CompleteFor,
        CompleteNumber,
        AtOnce,
        FailAtOnce,
        InCallback,
        Soon,
        Peek,
        Poke,
        PageOf,
        LetsGo,
        StaysEnding,
        StaysDestroyed,
        AwaitKept,
        Await,
        Leave,
        CompleteDestroy,
        Stages,
        Hold,
        PeekHeld,
        AskLate,
    }

    public enum Stage
    {
        Made,
        Ending,
        Told,
        Destroyed,
    }

    public static ulong Metadata(Operation operation, int slot = 0, uint number = 0, int other = 0) =>
        ((ulong)operation << 56) | ((ulong)slot << 48) | ((ulong)other << 32) | number;

    public static uint Ask(VirtioUserDevice device, Operation operation, int slot = 0, uint number = 0, int other = 0) =>
        device.Ping(new PingRequest(Metadata(operation, slot, number, other)));

    /// <summary>Asks about a whole object.</summary>
    public static uint Ask(VirtioUserDevice device, Operation operation, SharedObject memory) =>
        device.Ping(new PingRequest(memory, Metadata(operation)));
}
