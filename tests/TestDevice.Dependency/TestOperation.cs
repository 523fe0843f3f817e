// What the test device can be asked for.
namespace TestDevice.Dependency;

/// <summary>Bits 56 to 63 of a ping's metadata; bits 0 to 55 are the operation's argument.</summary>
public enum TestOperation : byte
{
    /// <summary>Answers with the argument.</summary>
    Echo = 0,

    /// <summary>Answers with the ping's <c>events</c>.</summary>
    EchoEvents = 1,

    /// <summary>Answers with <see cref="Pattern.Checksum"/> of the bytes.</summary>
    Checksum = 2,

    /// <summary>Fills the bytes with <see cref="Pattern.Fill"/>; the argument is the seed.</summary>
    Fill = 3,

    /// <summary>Copies the first half of the bytes to the second.</summary>
    Copy = 4,

    /// <summary>Throws an exception.</summary>
    Throw = 5,

    /// <summary>Does not return until the gate that the argument names is open.</summary>
    Wait = 6,

    /// <summary>Opens the gate that the argument names, for good.</summary>
    Release = 7,

    /// <summary>Sends as many events as the argument says, from another thread: 1, 2, 3 and so on.</summary>
    RaiseEvents = 8,

    /// <summary>Answers with the version that the instance has.</summary>
    Version = 9,

    /// <summary>Answers with the number of pings so far, this one included.</summary>
    Count = 10,

    /// <summary>Makes as many mebibytes of garbage as the argument says, and collects it.</summary>
    Garbage = 11,

    /// <summary>Answers with the major version of the assembly's private dependency.</summary>
    DependencyVersion = 12,

    /// <summary>Answers with the page number of the physical address.</summary>
    PhysicalPage = 13,

    /// <summary>Answers with the number of bytes that the ping names.</summary>
    Length = 14,

    /// <summary>Does not return until all events of <see cref="RaiseEvents"/> were sent or dropped.</summary>
    JoinEvents = 15,

    /// <summary>Answers with the number of bytes that the daemon has allocated so far, bits 0 to 29 of it. Not in C.</summary>
    Allocated = 16,

    /// <summary>Opens the gate that the argument names when the instance ends. Not in C.</summary>
    ReleaseAtEnd = 17,

    /// <summary>Lets the instance write a file when it ends, 200 ms after that has begun; the bytes are its path. Not in C.</summary>
    MarkEnd = 18,
}

/// <summary>The devices of the test assemblies, all of vendor 5655.</summary>
public static class TestDevices
{
    /// <summary>The vendor.</summary>
    public const uint Vendor = 0x5655;

    /// <summary>Does what <see cref="TestOperation"/> lists. Version 1.</summary>
    public const uint Test = 0x7E57;

    /// <summary>Never makes an instance. Version 1.</summary>
    public const uint Failing = 0x7E58;

    /// <summary>Waits for <see cref="SlowCreateGate"/> before it makes an instance, for <see cref="SlowDestroyGate"/> before it ends one. Version 1.</summary>
    public const uint Slow = 0x7E59;

    /// <summary>Like <see cref="Test"/>; accepts versions 2 to 4 and is listed as 4.</summary>
    public const uint ManyVersions = 0x7E5A;

    /// <summary>Like <see cref="Test"/>, from another assembly with another version of the dependency. Version 1.</summary>
    public const uint Second = 0x7E5B;

    /// <summary>Maps memory of its own: tests/NativeDevice/mapping_device.c. Version 1.</summary>
    public const uint Mapping = 0x7E5C;

    /// <summary>Holds bytes for longer than a ping: tests/NativeDevice/holding_device.c. Version 1.</summary>
    public const uint Holding = 0x7E5D;

    /// <summary>Like <see cref="ManyVersions"/>, in C: tests/NativeDevice/test_device.c.</summary>
    public const uint ManyVersionsInC = 0x7E5E;

    /// <summary>Answers pings later: tests/NativeDevice/answering_device.c. Version 1.</summary>
    public const uint Answering = 0x7E5F;

    /// <summary>The gate that making an instance of <see cref="Slow"/> waits for.</summary>
    public const ulong SlowCreateGate = 0x510;

    /// <summary>The gate that ending an instance of <see cref="Slow"/> waits for.</summary>
    public const ulong SlowDestroyGate = 0x511;

    /// <summary>Puts an operation and its argument into a ping's metadata.</summary>
    public static ulong Metadata(TestOperation operation, ulong argument = 0) => ((ulong)operation << 56) | argument;
}
