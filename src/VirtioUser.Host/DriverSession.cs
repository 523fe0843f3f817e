// What belongs to one start of a driver.
using System.Diagnostics.CodeAnalysis;
using VirtioUser.Host.Instances;

namespace VirtioUser.Host;

/// <summary>
/// From a driver's start to its end: its instances, and whose pings and ring entries are whose. When it is dropped,
/// nothing of it reaches the next driver, since what it left behind still names it. Only touched while the ping lane is held.
/// </summary>
internal sealed class DriverSession
{
    private readonly Dictionary<ulong, Instance> _instances = [];

    /// <summary>Stands for all instances that the driver names and that do not exist, so that answers to it have an owner.</summary>
    public Instance Unknown { get; } = Instance.Unknown();

    /// <summary>The instances that the driver can reach.</summary>
    public IEnumerable<Instance> All => _instances.Values;

    /// <summary>Finds an instance by its handle.</summary>
    public bool TryFind(ulong handle, [NotNullWhen(true)] out Instance? instance) => _instances.TryGetValue(handle, out instance);

    /// <summary>Lets the driver reach an instance.</summary>
    public void Add(Instance instance) => _instances.Add(instance.Handle, instance);

    /// <summary>Hides an instance from the driver.</summary>
    /// <returns>False if it was hidden already.</returns>
    public bool Remove(Instance instance) => _instances.Remove(instance.Handle);

    /// <summary>Hides all instances.</summary>
    public Instance[] RemoveAll()
    {
        Instance[] all = [.. _instances.Values];
        _instances.Clear();
        return all;
    }
}
