// What a successor process would need, in one place: never only in the heap.
using VirtioUser.Devices;

namespace VirtioUser.Host.State;

/// <summary>
/// The state that outlives a process: instances, objects, references, unfinished pings, counters, and a
/// page for the transport (negotiated features, ring addresses). It lives in memory that the transport
/// gives, which can be a memfd handed to a successor; ring positions are recovered from the used rings.
/// Untouched rows cost no memory.
/// </summary>
public sealed class HostState
{
    /// <summary>Raised with every change of the layout.</summary>
    public const uint Version = 1;

    /// <summary>The size of the transport's page, in bytes.</summary>
    public const int TransportSize = 4096;

    internal const int MaxInstances = 8192;
    internal const int MaxObjects = 65536;
    internal const int MaxReferences = 131072;
    internal const int MaxPings = 16384;
    internal const int MaxCounters = 64;

    private const ulong Magic = 0x4554_4154_535F_5556; // "VU_STATE"
    private const ulong CountersOffset = 1024;
    private const ulong TransportOffset = 4096;
    private const ulong InstancesOffset = TransportOffset + TransportSize;
    private const ulong ObjectsOffset = InstancesOffset + (MaxInstances * 24);
    private const ulong ReferencesOffset = ObjectsOffset + (MaxObjects * 32);
    private const ulong PingsOffset = ReferencesOffset + (MaxReferences * 16);

    private readonly ISharedMemory _memory;
    private readonly StateTable<HeaderRow> _header;

    /// <summary>Begins a new state in memory that is all zero.</summary>
    /// <param name="memory">At least <see cref="RequiredLength"/> bytes, used by nobody else.</param>
    /// <exception cref="ArgumentException">The memory is too small, or holds a state already.</exception>
    public HostState(ISharedMemory memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        if (memory.Length < RequiredLength)
        {
            throw new ArgumentException($"The state needs {RequiredLength} bytes; {memory.Length} were given.", nameof(memory));
        }

        _memory = memory;
        _header = new(memory, 0, 1);
        Counters = new(memory, CountersOffset, MaxCounters);
        Instances = new(memory, InstancesOffset, MaxInstances);
        Objects = new(memory, ObjectsOffset, MaxObjects);
        References = new(memory, ReferencesOffset, MaxReferences);
        Pings = new(memory, PingsOffset, MaxPings);
        if (Header.Magic != 0)
        {
            throw new ArgumentException("The memory is not empty.", nameof(memory));
        }

        Header.Version = Version;
        Header.Magic = Magic;
    }

    /// <summary>How many bytes the state needs.</summary>
    public static ulong RequiredLength => PingsOffset + (MaxPings * 64);

    /// <summary>The page that belongs to the transport.</summary>
    public Span<byte> Transport => _memory.GetSpan(TransportOffset, TransportSize);

    internal ref HeaderRow Header => ref _header[0];

    internal StateTable<long> Counters { get; }

    internal StateTable<InstanceRow> Instances { get; }

    internal StateTable<ObjectRow> Objects { get; }

    internal StateTable<ReferenceRow> References { get; }

    internal StateTable<PingRow> Pings { get; }
}
