// The device of docs/write-a-device.md: work that goes on after the callback, and may fail.
using System.Buffers;
using System.Buffers.Text;
using Microsoft.Extensions.Logging;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace Examples;

/// <summary>Device 1234:0003, version 1: decodes base64 where it lies, and says by an event how that came out.</summary>
public sealed class BackgroundDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(0x1234, 0x0003, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance(context);

    private sealed class Instance(InstanceContext context) : DeviceInstance
    {
        private const uint Refused = 0, Started = 1; // answers
        private const uint Done = 1, Failed = 2; // events

        private Task? _work;

        public override uint OnPing(in Ping ping)
        {
            if (_work is { IsCompleted: false } || context.TryHold(in ping) is not { } held)
            {
                return Refused; // at work already, no bytes, freed by the guest just now, or 64 are held already
            }

            _work = Task.Run(() => Run(held));
            return Started;
        }

        protected override void Dispose(bool disposing)
        {
            _work?.Wait(); // the bytes are ours no longer than this
            base.Dispose(disposing);
        }

        private void Run(HeldRange held)
        {
            try
            {
                using (held)
                {
                    Work(held.Bytes);
                }

                context.TrySendEvent(Done);
            }
#pragma warning disable CA1031 // nobody awaits the task: what gets out of it is lost, and the guest would wait for ever
            catch (Exception e)
#pragma warning restore CA1031
            {
                Log.WorkFailed(context.Logger, e);
                context.TrySendEvent(Failed);
            }
        }

        private static void Work(Span<byte> bytes)
        {
            if (Base64.DecodeFromUtf8InPlace(bytes, out var written) != OperationStatus.Done)
            {
                throw new FormatException("That is not base64.");
            }

            bytes[written..].Clear();
        }
    }
}

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "The work failed")]
    public static partial void WorkFailed(ILogger logger, Exception exception);
}
