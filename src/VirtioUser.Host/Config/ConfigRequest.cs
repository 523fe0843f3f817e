// A config request that was taken and not answered yet.
using System.Buffers.Binary;
using VirtioUser.Protocol;

namespace VirtioUser.Host.Config;

/// <summary>The host's own copy of a request. What it says was checked by nobody.</summary>
internal sealed class ConfigRequest
{
    private readonly byte[] _bytes = new byte[ConfigMessage.Size + 1];
    private int _length;

    /// <summary>Which driver sent it.</summary>
    public required object Driver { get; init; }

    /// <summary>Where the copy goes.</summary>
    public Span<byte> Room => _bytes;

    /// <summary>What was sent.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, _length);

    /// <summary>Whether another request with the same tag is in flight. Until it is answered, this one does not have the tag.</summary>
    public bool IsTagInUse { get; set; }

    /// <summary>The tag; none if the request is too short for one.</summary>
    public ulong? Tag { get; private set; }

    /// <summary>
    /// Requests with the same chain are answered in their order: those of one instance, and 0 for what is about none. Null: by itself,
    /// as it may take long and nothing can be based on it before its reply.
    /// </summary>
    public ulong? Chain { get; private set; }

    /// <summary>The copy is there.</summary>
    /// <param name="length">Its length.</param>
    public void Received(int length)
    {
        _length = length;
        if (length >= ConfigMessage.TagOffset + sizeof(ulong))
        {
            Tag = BinaryPrimitives.ReadUInt64LittleEndian(Bytes[ConfigMessage.TagOffset..]);
        }

        Chain = 0;
        if (length == ConfigMessage.Size)
        {
            var message = ConfigMessage.Read(Bytes);
            Chain = message.Operation == ConfigOperation.CreateInstance ? null : message.InstanceHandle;
        }
    }
}
