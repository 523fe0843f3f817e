// The codecs that the device decodes.
namespace VirtioUser.Codec;

/// <summary>How a stream is coded. The values are those of the protocol.</summary>
public enum VideoCodec
{
    /// <summary>H.264; a packet is an access unit in the byte stream format (Annex B).</summary>
    H264 = 1,

    /// <summary>VP9; a packet is a frame or a superframe.</summary>
    Vp9 = 2,

    /// <summary>AV1; a packet is a temporal unit in the low-overhead format.</summary>
    Av1 = 3,
}
