// The codecs that the device decodes.
namespace VirtioUser.Codec;

/// <summary>How a stream is coded. The values are those of the protocol.</summary>
public enum VideoCodec
{
    /// <summary>H.264.</summary>
    H264 = 1,

    /// <summary>VP9.</summary>
    Vp9 = 2,

    /// <summary>AV1.</summary>
    Av1 = 3,
}
