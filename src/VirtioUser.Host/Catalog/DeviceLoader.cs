// Makes devices from files: .NET assemblies here, shared libraries in SharedLibraryLoader.cs.
using System.Reflection;
using VirtioUser.Devices;
using VirtioUser.Host.Plugins;

namespace VirtioUser.Host.Catalog;

/// <summary>Loads assemblies and makes one object of each device class in them; loads shared libraries, which have one device each.</summary>
public static class DeviceLoader
{
    /// <summary>Loads every device of one file.</summary>
    /// <param name="path">A .NET assembly, or a shared library: told by its first bytes or its name.</param>
    /// <param name="loader">What loads shared libraries; null if they are not to be loaded.</param>
    /// <returns>At least one device.</returns>
    /// <exception cref="DeviceLoadException">
    /// No such file; not a .NET assembly, no device in it, or a device's constructor or identity threw; a shared library that is none, is for
    /// another machine, or lacks a function.
    /// </exception>
    public static IReadOnlyList<CatalogEntry> Load(string path, IPluginLoader? loader = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        path = Path.GetFullPath(path);
        if (!File.Exists(path))
        {
            throw new DeviceLoadException($"There is no file {path}.");
        }

        Type[] types;
        try
        {
            if (SharedLibraryLoader.IsMeant(path))
            {
                return loader is null
                    ? throw new DeviceLoadException($"{path} is a shared library, and this host loads .NET assemblies only.")
                    : [SharedLibraryLoader.Load(path, loader)];
            }

            types = new DeviceLoadContext(path).LoadFromAssemblyPath(path).GetExportedTypes();
        }
        catch (BadImageFormatException e)
        {
            throw new DeviceLoadException($"{path} is not a .NET assembly that this machine can run.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or TypeLoadException or ReflectionTypeLoadException or InvalidOperationException)
        {
            throw new DeviceLoadException($"{path} could not be loaded: {e.Message}", e);
        }

        var entries = types.Where(IsDevice).Select(type => Make(type, path)).ToList();
        return entries.Count > 0
            ? entries
            : throw new DeviceLoadException($"{path} has no public class that derives from {typeof(Device)} and has a public constructor without parameters.");
    }

    private static bool IsDevice(Type type) =>
        type.IsSubclassOf(typeof(Device)) && !type.IsAbstract && !type.ContainsGenericParameters && type.GetConstructor(Type.EmptyTypes) is not null;

    private static CatalogEntry Make(Type type, string path)
    {
        try
        {
            return new CatalogEntry((Device)Activator.CreateInstance(type)!, path);
        }
#pragma warning disable CA1031 // a device's code may throw anything; the message says whose code it was
        catch (Exception e)
#pragma warning restore CA1031
        {
            var cause = e is TargetInvocationException { InnerException: { } inner } ? inner : e;
            throw new DeviceLoadException($"{type} in {path} could not be made: {cause.Message}", cause);
        }
    }
}
