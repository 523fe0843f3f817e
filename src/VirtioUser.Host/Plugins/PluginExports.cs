// The functions of a plug-in, found by name.
using System.Runtime.InteropServices;
using VirtioUser.Host.Catalog;

namespace VirtioUser.Host.Plugins;

/// <summary>
/// The exports of one shared library, as <c>virtio_user_plugin.h</c> declares them. Each delegate is made once: a call
/// through it allocates nothing.
/// </summary>
internal sealed class PluginExports
{
    private const string PingAsyncName = "on_instance_ping_async", DestroyAsyncName = "on_destroy_instance_async";

    private readonly nint _library;

    /// <summary>Finds the functions.</summary>
    /// <exception cref="DeviceLoadException">One that must be there is not.</exception>
    public PluginExports(nint library, string path)
    {
        _library = library;
        string[] missing = [.. Required.Where(name => !NativeLibrary.TryGetExport(library, name, out _))];
        if (missing.Length > 0)
        {
            throw new DeviceLoadException($"{path} does not export {string.Join(", ", missing)}: a device needs {string.Join(", ", Required)}.");
        }

        RegisterMapping = Find<RegisterMappingFunction>("register_memory_mapping_funcs")!;
        GetDeviceInfo = Find<GetDeviceInfoFunction>("get_device_config_info")!;
        Create = Find<CreateFunction>("on_create_instance")!;
        Destroy = Find<DestroyFunction>("on_destroy_instance")!;
        Ping = Find<PingFunction>("on_instance_ping")!;
        PingSized = Find<PingSizedFunction>("on_instance_ping_sized");
        GetVersions = Find<GetVersionsFunction>("get_device_versions");
        AcceptVersion = Find<AcceptVersionFunction>("on_accept_version");
        Initialize = Find<InitializeFunction>("virtio_user_plugin_init");
        PingAsync = Find<PingAsyncFunction>(PingAsyncName);
        DestroyAsync = Find<DestroyFunction>(DestroyAsyncName);
        Ending = Find<DestroyFunction>("on_instance_ending");
        if (Initialize is null && (PingAsync is not null || DestroyAsync is not null))
        {
            throw new DeviceLoadException(
                $"{path} exports {(PingAsync is null ? DestroyAsyncName : PingAsyncName)}, but not virtio_user_plugin_init: it could never complete what it begins.");
        }
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate void RegisterMappingFunction(nint map, nint unmap);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate void GetDeviceInfoFunction(out uint vendor, out uint device, out uint version);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool CreateFunction(ulong handle);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate void DestroyFunction(ulong handle);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate uint PingFunction(ulong handle, ulong metadata, ulong physicalAddress, ref byte bytes, uint events);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate uint PingSizedFunction(ulong handle, ulong metadata, ulong physicalAddress, ref byte bytes, ulong size, uint events);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate void PingAsyncFunction(
        ulong handle, ulong ping, ulong metadata, ulong physicalAddress, ref byte bytes, ulong size, uint events);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate uint GetVersionsFunction(ref uint versions, uint room);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool AcceptVersionFunction(uint requested, ref uint accepted);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool InitializeFunction(nint host);

    public RegisterMappingFunction RegisterMapping { get; }

    public GetDeviceInfoFunction GetDeviceInfo { get; }

    public CreateFunction Create { get; }

    public DestroyFunction Destroy { get; }

    public PingFunction Ping { get; }

    /// <summary>Null if the plug-in does not have it; otherwise called in place of <see cref="Ping"/>.</summary>
    public PingSizedFunction? PingSized { get; }

    /// <summary>Null if the plug-in does not have it: it has one version.</summary>
    public GetVersionsFunction? GetVersions { get; }

    /// <summary>Null if the plug-in does not have it.</summary>
    public AcceptVersionFunction? AcceptVersion { get; }

    /// <summary>Null if the plug-in does not have it.</summary>
    public InitializeFunction? Initialize { get; }

    /// <summary>Null if the plug-in does not have it; otherwise called in place of <see cref="Ping"/> and <see cref="PingSized"/>.</summary>
    public PingAsyncFunction? PingAsync { get; }

    /// <summary>Null if the plug-in does not have it; otherwise called in place of <see cref="Destroy"/>.</summary>
    public DestroyFunction? DestroyAsync { get; }

    /// <summary>Null if the plug-in does not have it.</summary>
    public DestroyFunction? Ending { get; }

    private static string[] Required { get; } =
    [
        "register_memory_mapping_funcs", "get_device_config_info", "on_create_instance", "on_destroy_instance", "on_instance_ping",
    ];

    private T? Find<T>(string name)
        where T : Delegate =>
        NativeLibrary.TryGetExport(_library, name, out var address) ? Marshal.GetDelegateForFunctionPointer<T>(address) : null;
}
