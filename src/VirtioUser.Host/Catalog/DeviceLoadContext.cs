// Where the assembly of a device and its own dependencies are loaded.
using System.Reflection;
using System.Runtime.Loader;
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Catalog;

/// <summary>
/// One context for each assembly: two devices may depend on different versions of one library, and on
/// other versions than the daemon. Only what both sides must share is taken from the daemon.
/// </summary>
internal sealed class DeviceLoadContext(string path) : AssemblyLoadContext(Path.GetFileNameWithoutExtension(path))
{
    private static readonly HashSet<string> Shared =
    [
        typeof(Device).Assembly.GetName().Name!,
        typeof(DeviceIdentity).Assembly.GetName().Name!,
        typeof(ILogger).Assembly.GetName().Name!,
    ];

    private readonly AssemblyDependencyResolver _resolver = new(path);

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName)
    {
        if (Shared.Contains(assemblyName.Name!))
        {
            return null;
        }

        var found = _resolver.ResolveAssemblyToPath(assemblyName);
        return found is null ? null : LoadFromAssemblyPath(found);
    }

    /// <inheritdoc/>
    protected override nint LoadUnmanagedDll(string unmanagedDllName)
    {
        var found = _resolver.ResolveUnmanagedDllToPath(unmanagedDllName);
        return found is null ? 0 : LoadUnmanagedDllFromPath(found);
    }
}
