// The device of docs/write-a-device.md: pings that wait for something, and pings that fail.
using System.Threading.Channels;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace Examples;

/// <summary>Device 1234:0004, version 1: letters of 1 to 4096 bytes, from whoever sends one to whoever waits for one, of any VM.</summary>
public sealed class MailboxDevice : Device
{
    private readonly Channel<byte[]> _letters = Channel.CreateBounded<byte[]>(64);

    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(0x1234, 0x0004, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new Instance(_letters);

    private sealed class Instance(Channel<byte[]> letters) : DeviceInstance
    {
        private const ulong Send = 1, Receive = 2; // metadata
        private const int NoSuchOperation = 1, WrongLength = 2; // codes
        private const ulong MaxLength = 4096;

        public override async ValueTask<uint> OnPingAsync(AsyncPing ping, CancellationToken cancellationToken)
        {
            switch (ping.Metadata)
            {
                case Send when ping.Length is > 0 and <= MaxLength:
                    await letters.Writer.WriteAsync(ping.Bytes.ToArray(), cancellationToken);
                    return (uint)ping.Length;
                case Receive when ping.Length >= MaxLength:
                    var letter = await letters.Reader.ReadAsync(cancellationToken);
                    letter.CopyTo(ping.Bytes);
                    return (uint)letter.Length;
                case Send or Receive:
                    throw new PingException(WrongLength, $"A letter cannot have {ping.Length} bytes.");
                default:
                    throw new PingException(NoSuchOperation, $"There is no operation {ping.Metadata}.");
            }
        }
    }
}
