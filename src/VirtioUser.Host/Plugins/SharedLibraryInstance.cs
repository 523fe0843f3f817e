// An instance of a device whose code is a shared library.
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Host.Instances;

namespace VirtioUser.Host.Plugins;

/// <summary>Passes pings on, and the end.</summary>
internal sealed class SharedLibraryInstance : DeviceInstance
{
    [ThreadStatic]
    private static SharedLibraryInstance? s_current;

    private readonly SharedLibraryDevice _device;
    private readonly PluginExports _exports;
    private readonly PluginVm _vm;
    private readonly LibraryAnswer _ping = new(); // the library has one at the most
    private readonly LibraryAnswer _end = new();
    private ulong _endNumber;
    private ILogger? _log;
    private nint _data;

    /// <summary>Makes the host's side; the library has not heard of it.</summary>
    /// <exception cref="InvalidOperationException">The host has no memory for shared libraries.</exception>
    public SharedLibraryInstance(SharedLibraryDevice device, HostInstanceContext context)
    {
        (_device, _exports, Context, Instance) = (device, device.Exports, context, context.Instance);
        _vm = context.Plugins ?? throw new InvalidOperationException("This host runs no shared libraries.");
        (Memory, Holds) = _vm.Of(device);
    }

    /// <summary>The instance in one of whose callbacks this thread is.</summary>
    public static SharedLibraryInstance? Current => s_current;

    /// <summary>What the instance can ask of the host. Its handle is the library's name for the instance.</summary>
    public InstanceContext Context { get; }

    /// <summary>The instance itself.</summary>
    public Instance Instance { get; }

    /// <summary>What the library has mapped for this VM.</summary>
    public PluginMemory Memory { get; }

    /// <summary>What the library holds for this VM.</summary>
    public PluginHolds Holds { get; }

    /// <summary>The plug-in's own pointer. Any thread.</summary>
    public nint Data
    {
        get => Volatile.Read(ref _data);
        set => Volatile.Write(ref _data, value);
    }

    /// <summary>Whether <c>on_destroy_instance_async</c> has been called, or is about to be. Any thread.</summary>
    public bool IsEnding => Volatile.Read(ref _endNumber) != 0;

    /// <summary>The library's log, out of the budget of this VM.</summary>
    /// <param name="logger">The library's log.</param>
    public ILogger LimitedLog(ILogger logger) => _log ??= _vm.GuestLog.For(logger);

    /// <summary>Lets the library make its side.</summary>
    /// <returns>What it returned.</returns>
    public bool Create()
    {
        using (new Callback(this))
        {
            if (!_exports.Create(Context.Handle))
            {
                return false;
            }
        }

        if (_exports.Ending is not null)
        {
            Context.Ending.UnsafeRegister(static instance => ((SharedLibraryInstance)instance!).Tell(), this); // the host waits for it
        }

        return true;
    }

    /// <summary><c>complete_ping</c>, <c>fail_ping</c>. Any thread.</summary>
    public bool TryCompletePing(ulong ping, uint revents, int? failure) => _ping.TryComplete(ping, revents, failure);

    /// <summary>What <c>complete_destroy</c> does once the handle is nobody's. Any thread.</summary>
    public void CompleteEnd() => _end.TryComplete(_endNumber, revents: 0);

    /// <inheritdoc/>
    public override uint OnPing(in Ping ping)
    {
        using (new Callback(this))
        {
            // The arena stays mapped as long as the callback runs, so its address can be handed on; a ping without bytes gives a null pointer.
            ref var bytes = ref MemoryMarshal.GetReference(ping.Slice(0, ping.Length == 0 ? 0 : 1));
            return _exports.PingSized is { } sized
                ? sized(Context.Handle, ping.Metadata, ping.PhysicalAddress, ref bytes, ping.Length, ping.Events)
                : _exports.Ping(Context.Handle, ping.Metadata, ping.PhysicalAddress, ref bytes, ping.Events);
        }
    }

    /// <inheritdoc/>
    public override ValueTask<uint> OnPingAsync(AsyncPing ping, CancellationToken cancellationToken)
    {
        if (_exports.PingAsync is not { } begin)
        {
            return base.OnPingAsync(ping, cancellationToken);
        }

        using (new Callback(this))
        {
            // As above, and until the ping is complete.
            ref var bytes = ref MemoryMarshal.GetReference(ping.Slice(0, ping.Length == 0 ? 0 : 1));
            begin(Context.Handle, _ping.Begin(), ping.Metadata, ping.PhysicalAddress, ref bytes, ping.Length, ping.Events);
            return _ping.Answer;
        }
    }

    /// <inheritdoc/>
    [SuppressMessage("Usage", "CA2215:Dispose methods should call base class dispose", Justification = "It has nothing to dispose of, and the end may come later.")]
    public override ValueTask DisposeAsync()
    {
        using (new Callback(this))
        {
            _device.EndMappings(this);
            if (_exports.DestroyAsync is { } begin)
            {
                Volatile.Write(ref _endNumber, _end.Begin());
                begin(Context.Handle);
                return _end.Completion;
            }

            _exports.Destroy(Context.Handle);
            _device.Forget(this);
            return ValueTask.CompletedTask;
        }
    }

    private void Tell()
    {
        using (new Callback(this))
        {
            _exports.Ending!(Context.Handle);
        }
    }

    /// <summary>While a function of the library runs on this thread.</summary>
    private readonly ref struct Callback : IDisposable
    {
        private readonly SharedLibraryInstance? _before;

        public Callback(SharedLibraryInstance instance)
        {
            _before = s_current;
            s_current = instance;
        }

        public void Dispose() => s_current = _before;
    }
}
