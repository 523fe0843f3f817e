// What a library calls, when what is behind it fails.
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using VirtioUser.Host.Plugins;

namespace VirtioUser.Host.Tests.Plugins;

public sealed class PluginHostTests
{
    /// <summary>An exception in native code would end the process.</summary>
    [Fact]
    public void No_exception_reaches_a_library()
    {
        // No constructor has run, so everything in it is null: whatever it is asked for fails.
        var broken = (SharedLibraryDevice)RuntimeHelpers.GetUninitializedObject(typeof(SharedLibraryDevice));
        var host = new PluginHost(broken);
        var text = Marshal.StringToCoTaskMemUTF8("hello");

        Assert.Throws<NullReferenceException>(() => broken.RaiseEvent(1, 1));
        Assert.False(Member<PluginHost.RaiseEventFunction>(host, 0)(1, 1));
        Assert.Throws<ArgumentNullException>(() => broken.WriteLog(default, text));
        Member<PluginHost.LogFunction>(host, 1)(0, text);
        Marshal.FreeCoTaskMem(text);
        GC.KeepAlive(host);
    }

    // Behind the size and the version.
    private static T Member<T>(PluginHost host, int number)
        where T : Delegate =>
        Marshal.GetDelegateForFunctionPointer<T>(Marshal.ReadIntPtr(host.Structure, 8 + (number * nint.Size)));
}
