// The functions that a plug-in is given.
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace VirtioUser.Host.Plugins;

/// <summary>
/// The other direction of the interface: <c>struct virtio_user_host</c> and <c>map</c>, <c>unmap</c>, for one plug-in.
/// A plug-in may call them on any thread, from its callbacks or not. It stays for the life of the process, as the library does.
/// </summary>
internal sealed class PluginHost
{
    private const int InterfaceVersion = 1;

    // What the plug-in calls; held here so that the garbage collector leaves them.
    private readonly Delegate[] _functions;

    public PluginHost(SharedLibraryDevice device)
    {
        MapFunction map = (physicalAddress, hostPointer, size) =>
            Try(static (device, given) => device.Map(given.physicalAddress, given.hostPointer, given.size), device, (physicalAddress, hostPointer, size));
        UnmapFunction unmap = (physicalAddress, size) =>
            Try(static (device, given) => device.Unmap(given.physicalAddress, given.size), device, (physicalAddress, size));
        RaiseEventFunction raiseEvent = (handle, revents) =>
            Try(static (device, given) => device.RaiseEvent(given.handle, given.revents), device, (handle, revents));
        LogFunction log = (level, text) => Try(static (device, given) => device.WriteLog(given.level, given.text), device, (level: (LogLevel)level, text));
        SetDataFunction setData = device.SetInstanceData;
        GetDataFunction getData = device.GetInstanceData;
        GetVersionFunction getVersion = device.GetInstanceVersion;
        HoldFunction hold = (handle, physicalAddress, size) =>
            Try(static (device, given) => device.Hold(given.handle, given.physicalAddress, given.size), device, (handle, physicalAddress, size));
        ReleaseFunction release = (handle, physicalAddress, size) =>
            Try(static (device, given) => device.Release(given.handle, given.physicalAddress, given.size), device, (handle, physicalAddress, size));
        CompletePingFunction completePing = (handle, ping, revents) =>
            Try(static (device, given) => device.CompletePing(given.handle, given.ping, given.revents), device, (handle, ping, revents));
        CompletePingFunction failPing = (handle, ping, code) =>
            Try(static (device, given) => device.FailPing(given.handle, given.ping, given.code), device, (handle, ping, code));
        CompleteDestroyFunction completeDestroy = handle => Try(static (device, handle) => device.CompleteDestroy(handle), device, handle);
        _functions = [map, unmap, raiseEvent, log, setData, getData, getVersion, hold, release, completePing, failPing, completeDestroy];
        (Map, Unmap) = (Marshal.GetFunctionPointerForDelegate(map), Marshal.GetFunctionPointerForDelegate(unmap));
        var members = _functions[2..];
        Structure = Marshal.AllocHGlobal(8 + (members.Length * nint.Size));
        Marshal.WriteInt32(Structure, 8 + (members.Length * nint.Size));
        Marshal.WriteInt32(Structure, 4, InterfaceVersion);
        for (var i = 0; i < members.Length; i++)
        {
            Marshal.WriteIntPtr(Structure, 8 + (i * nint.Size), Marshal.GetFunctionPointerForDelegate(members[i]));
        }
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool MapFunction(ulong physicalAddress, nint hostPointer, ulong size);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool UnmapFunction(ulong physicalAddress, ulong size);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool RaiseEventFunction(ulong handle, uint revents);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate void LogFunction(int level, nint text);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool SetDataFunction(ulong handle, nint data);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate nint GetDataFunction(ulong handle);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate uint GetVersionFunction(ulong handle);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    public delegate nint HoldFunction(ulong handle, ulong physicalAddress, ulong size);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool ReleaseFunction(ulong handle, ulong physicalAddress, ulong size);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool CompletePingFunction(ulong handle, ulong ping, uint number);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    [return: MarshalAs(UnmanagedType.U1)]
    public delegate bool CompleteDestroyFunction(ulong handle);

    /// <summary>The address of <c>map</c>.</summary>
    public nint Map { get; }

    /// <summary>The address of <c>unmap</c>.</summary>
    public nint Unmap { get; }

    /// <summary>The address of <c>struct virtio_user_host</c>.</summary>
    public nint Structure { get; }

    // What calls is native code, which no exception may reach. It is lost: telling of it, in the log, is what may have failed.
    private static TResult Try<T, TResult>(Func<SharedLibraryDevice, T, TResult> call, SharedLibraryDevice device, T given)
        where TResult : struct // what a failure gives: false, or a null pointer
    {
        try
        {
            return call(device, given);
        }
#pragma warning disable CA1031 // as above
        catch
#pragma warning restore CA1031
        {
            return default;
        }
    }
}
