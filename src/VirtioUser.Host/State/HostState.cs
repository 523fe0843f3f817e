// What the device model of one VM has given out, in tables.
namespace VirtioUser.Host.State;

/// <summary>
/// Instances, objects, references and unfinished pings of one device model, as rows of a fixed size, with bounds. Rows cost
/// memory only where they were used. Goes with the last thread that uses it.
/// </summary>
public sealed class HostState
{
    internal const int MaxInstances = 8192;
    internal const int MaxObjects = 65536;
    internal const int MaxReferences = 131072;
    internal const int MaxPings = 16384;

    private HeaderRow _header;

    internal ref HeaderRow Header => ref _header;

    internal StateTable<InstanceRow> Instances { get; } = new(MaxInstances);

    internal StateTable<ObjectRow> Objects { get; } = new(MaxObjects);

    internal StateTable<ReferenceRow> References { get; } = new(MaxReferences);

    internal StateTable<PingRow> Pings { get; } = new(MaxPings);
}
