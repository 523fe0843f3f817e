// A device that computes digests of what lies in shared memory. README.md has the layout.
using System.Security.Cryptography;
using VirtioUser.Protocol;

namespace VirtioUser.Devices.Digest;

/// <summary>Device 5655:0002, version 1: SHA-2, SHA-1 and MD5 of inputs of any length, a ping for each part.</summary>
public sealed class DigestDevice : Device
{
    /// <inheritdoc/>
    public override DeviceIdentity Identity => new(0x5655, 0x0002, 1);

    /// <inheritdoc/>
    public override DeviceInstance CreateInstance(InstanceContext context) => new DigestInstance();
}

/// <summary>What an answer says.</summary>
internal enum DigestAnswer : uint
{
    Done = 1,
    BadRequest = 2,
}

/// <summary>Holds the digest that is being computed, between the pings of one input.</summary>
internal sealed class DigestInstance : DeviceInstance
{
    private const ulong MoreFollows = 1UL << 8;
    private const int ResultLength = 64;
    private const int Step = 1 << 30;

    private IncrementalHash? _hash;

    public override uint OnPing(in Ping ping)
    {
        if (ping.Length < ResultLength || Algorithm(ping.Metadata & ~MoreFollows) is not { } algorithm)
        {
            return (uint)DigestAnswer.BadRequest;
        }

        if (_hash?.AlgorithmName != algorithm)
        {
            _hash?.Dispose();
            _hash = IncrementalHash.CreateHash(algorithm);
        }

        for (ulong done = ResultLength; done < ping.Length;)
        {
            var part = ping.Slice(done, (int)Math.Min(Step, ping.Length - done));
            _hash.AppendData(part);
            done += (ulong)part.Length;
        }

        if ((ping.Metadata & MoreFollows) == 0)
        {
            _hash.GetHashAndReset(ping.Slice(0, ResultLength));
        }

        return (uint)DigestAnswer.Done;
    }

    protected override void Dispose(bool disposing)
    {
        _hash?.Dispose();
        base.Dispose(disposing);
    }

    private static HashAlgorithmName? Algorithm(ulong number) => number switch
    {
        0 => HashAlgorithmName.SHA256,
        1 => HashAlgorithmName.SHA384,
        2 => HashAlgorithmName.SHA512,
        3 => HashAlgorithmName.SHA1,
        4 => HashAlgorithmName.MD5,
        _ => null,
    };
}
