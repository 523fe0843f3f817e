// Everything that a connection has agreed on so far.
namespace Virtio.VhostUser;

/// <summary>
/// What a back-end knows of its connection, all in one place: what another process would need to go on with it. Only the
/// connection's thread touches it.
/// </summary>
internal sealed class ConnectionState : IDisposable
{
    internal ConnectionState(int queueCount)
    {
        Vrings = new Vring[queueCount];
        for (var i = 0; i < queueCount; i++)
        {
            Vrings[i] = new Vring(i, Signals);
        }
    }

    internal VirtioFeatures Features { get; set; }

    internal ProtocolFeatures ProtocolFeatures { get; set; }

    internal MemoryTable Memory { get; } = new();

    internal Vring[] Vrings { get; }

    /// <summary>Signals the rings' descriptors for the connection's thread.</summary>
    internal SignalHelper Signals { get; } = new();

    /// <summary>Whether the driver has started the device: at least one ring has started since all had stopped.</summary>
    internal bool Started { get; set; }

    /// <summary>Whether the device was started as for the driver before, though no position has shown that it is that one.</summary>
    internal bool MayBeFresh { get; set; }

    internal bool Has(ProtocolFeatures feature) => (ProtocolFeatures & feature) != 0;

    /// <summary>Closes every descriptor and mapping. All rings must have stopped.</summary>
    public void Dispose()
    {
        foreach (var vring in Vrings)
        {
            vring.Dispose();
        }

        Signals.Dispose();
        Memory.Replace([]);
    }
}
