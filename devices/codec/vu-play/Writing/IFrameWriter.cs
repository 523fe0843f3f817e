// What is done with pictures.
namespace VirtioUser.Codec.Play.Writing;

/// <summary>Gets every picture, in the order of showing.</summary>
internal interface IFrameWriter : IDisposable
{
    /// <summary>Takes a picture, which stays the caller's.</summary>
    /// <param name="frame">The picture.</param>
    /// <param name="number">How many came before it.</param>
    void Write(DecodedFrame frame, long number);

    /// <summary>There are no more; everything must be in its file after it. Not called if the program fails.</summary>
    /// <param name="stream">The stream, if the host has found out what it is.</param>
    void Complete(VideoStream? stream);
}
