// A device that compresses and decompresses what lies in shared memory. README.md has the layout.
using System.Buffers.Binary;
using System.IO.Compression;
using VirtioUser.Protocol;

namespace VirtioUser.Devices.Gzip;

/// <summary>Device 5655:0001, version 1: gzip (RFC 1952).</summary>
public sealed class GzipDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(0x5655, 0x0001, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new GzipInstance();
}

/// <summary>What an answer says.</summary>
internal enum GzipAnswer : uint
{
    Done = 1,
    OutputTooSmall = 2,
    NotGzip = 3,
    BadRequest = 4,
}

/// <summary>Has no state: each ping stands alone.</summary>
internal sealed class GzipInstance : DeviceInstance
{
    private const ulong Decompress = 1UL << 63;
    private const ulong HeaderLength = sizeof(ulong);
    private const int Step = 1 << 30;

    // GZipStream writes nothing at all for an input of no bytes; RFC 1952 wants a member all the same.
    private static ReadOnlySpan<byte> EmptyMember => [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    public override uint OnPing(in Ping ping)
    {
        var inputLength = ping.Metadata & ~Decompress;
        if (ping.Length < HeaderLength || inputLength > ping.Length - HeaderLength)
        {
            return (uint)GzipAnswer.BadRequest;
        }

        var answer = (ping.Metadata & Decompress) == 0 ? Pack(in ping, inputLength, out var written) : Unpack(in ping, inputLength, out written);
        if (answer == GzipAnswer.Done)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(ping.Slice(0, (int)HeaderLength), written);
        }

        return (uint)answer;
    }

    private static GzipAnswer Pack(in Ping ping, ulong inputLength, out ulong written)
    {
        written = 0;
        var begin = HeaderLength + inputLength;
        using var output = ping.OpenStream(begin, ping.Length - begin);
        try
        {
            if (inputLength == 0)
            {
                output.Write(EmptyMember);
            }

            using var gzip = new GZipStream(output, CompressionLevel.Optimal, leaveOpen: true);
            for (ulong done = 0; done < inputLength;)
            {
                var part = ping.Slice(HeaderLength + done, (int)Math.Min(Step, inputLength - done));
                gzip.Write(part);
                done += (ulong)part.Length;
            }
        }
        catch (NotSupportedException) // the output is of fixed length
        {
            return GzipAnswer.OutputTooSmall;
        }

        written = (ulong)output.Position;
        return GzipAnswer.Done;
    }

    private static GzipAnswer Unpack(in Ping ping, ulong inputLength, out ulong written)
    {
        written = 0;
        try
        {
            written = new GzipReader(in ping, HeaderLength, inputLength).ReadToEnd();
            return GzipAnswer.Done;
        }
        catch (EndOfStreamException)
        {
            return GzipAnswer.OutputTooSmall;
        }
        catch (InvalidDataException)
        {
            return GzipAnswer.NotGzip;
        }
    }
}
