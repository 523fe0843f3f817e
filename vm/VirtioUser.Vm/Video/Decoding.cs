// How fast a clip was decoded.
namespace VirtioUser.Vm;

/// <summary>What one run of a decoder came to.</summary>
/// <param name="Frames">Pictures.</param>
/// <param name="Seconds">From the first packet to the last picture, without the program's start.</param>
public sealed record Decoding(int Frames, double Seconds)
{
    /// <summary>Pictures a second.</summary>
    public double Rate => Frames / Seconds;
}
