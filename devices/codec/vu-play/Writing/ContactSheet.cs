// Small pictures, spread evenly over a clip, on one sheet.
using VirtioUser.Codec.Play.Pictures;

namespace VirtioUser.Codec.Play.Writing;

/// <summary>
/// Makes a sheet of 4 x 3 small pictures. How many pictures there are is known only at the end, so more are kept than are
/// needed, and every second is dropped each time there are too many.
/// </summary>
/// <param name="path">The PNG file.</param>
internal sealed class ContactSheet(string path) : IFrameWriter
{
    private const int Columns = 4, Rows = 3, Width = 320, Gap = 8;
    private const byte Background = 24;

    private readonly EvenChoice<RgbImage> _pictures = new(Columns * Rows);
    private int _width, _height;

    /// <inheritdoc/>
    public void Write(DecodedFrame frame, long number)
    {
        if (number == 0)
        {
            _width = Math.Min(Width, frame.Width);
            _height = (int)Math.Clamp((long)_width * frame.Height / frame.Width, 1, Width);
        }

        if (_pictures.Wants(number))
        {
            _pictures.Add(number, PictureConverter.Shrink(frame, _width, _height));
        }
    }

    /// <inheritdoc/>
    public void Complete(VideoStream? stream)
    {
        var chosen = _pictures.Choose();
        if (chosen.Count == 0)
        {
            return;
        }

        var columns = Math.Min(Columns, chosen.Count);
        var rows = (chosen.Count + Columns - 1) / Columns;
        RgbImage sheet = new(Gap + (columns * (_width + Gap)), Gap + (rows * (_height + Gap)));
        Array.Fill(sheet.Bytes, Background);
        for (var i = 0; i < chosen.Count; i++)
        {
            sheet.Put(chosen[i], Gap + (i % Columns * (_width + Gap)), Gap + (i / Columns * (_height + Gap)));
        }

        sheet.Save(path);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
