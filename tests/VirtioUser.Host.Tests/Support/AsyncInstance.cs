// A device whose callbacks end when a test says so.
using VirtioUser.Devices;

namespace VirtioUser.Host.Tests.Support;

internal delegate ValueTask<uint> AsyncPingCallback(AsyncPing ping, CancellationToken ending);

/// <summary>An instance made of an asynchronous callback and an asynchronous end.</summary>
internal sealed class AsyncInstance(AsyncPingCallback onPing, Func<ValueTask>? onDispose = null) : DeviceInstance
{
    public override ValueTask<uint> OnPingAsync(AsyncPing ping, CancellationToken cancellationToken) => onPing(ping, cancellationToken);

    public override async ValueTask DisposeAsync()
    {
        if (onDispose is not null)
        {
            await onDispose();
        }

        await base.DisposeAsync();
    }
}
