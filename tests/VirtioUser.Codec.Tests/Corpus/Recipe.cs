// How a file of the corpus comes about.
using VirtioUser.Codec.Tests.Corpus.Bits;

namespace VirtioUser.Codec.Tests.Corpus;

/// <summary>A file to be made, and what is done to it.</summary>
/// <param name="Extension">The kind of file, with its dot.</param>
/// <param name="MakeAsync">Makes it.</param>
internal sealed record Recipe(string Extension, Func<Workshop, Task<byte[]>> MakeAsync)
{
    private const string ByteStream = ".h264", Ivf = ".ivf";

    /// <summary>H.264 by x264: 12 small pictures, unless the source says otherwise.</summary>
    /// <param name="parameters">For x264, NAME=VALUE with colons between.</param>
    /// <param name="options">For ffmpeg, between the source and the file.</param>
    /// <param name="size">Columns and rows.</param>
    /// <param name="frames">Number of pictures.</param>
    /// <param name="rate">Pictures a second.</param>
    public static Recipe H264(string parameters = "", string options = "", string size = "64x48", int frames = 12, string rate = "25") => Encode(
        ByteStream,
        $"-f lavfi -i testsrc2=s={size}:r={rate} -frames:v {frames} -c:v libx264 -preset veryfast -crf 28 {options} -x264-params threads=1{(parameters.Length > 0 ? ":" : "")}{parameters}");

    /// <summary>VP9 by libvpx.</summary>
    public static Recipe Vp9(string options = "", string size = "64x48", int frames = 12, string rate = "25") => Encode(
        Ivf, $"-f lavfi -i testsrc2=s={size}:r={rate} -frames:v {frames} -c:v libvpx-vp9 -deadline good -cpu-used 5 -threads 1 -b:v 100k {options}");

    /// <summary>AV1 by libaom.</summary>
    public static Recipe Av1(string options = "", string size = "64x48", int frames = 12, string rate = "25") => Encode(
        Ivf, $"-f lavfi -i testsrc2=s={size}:r={rate} -frames:v {frames} -c:v libaom-av1 -cpu-used 8 -threads 1 -lag-in-frames 8 -b:v 100k {options}");

    /// <summary>AV1 by SVT-AV1, which makes more layers.</summary>
    public static Recipe SvtAv1(string options = "", string size = "64x64", int frames = 20, string rate = "25") => Encode(
        Ivf, $"-f lavfi -i testsrc2=s={size}:r={rate} -frames:v {frames} -c:v libsvtav1 -preset 10 {options}");

    /// <summary>H.264 that no encoder made.</summary>
    public static Recipe Plain(PlainEncoder encoder, params PlainPicture[] pictures) => new(ByteStream, _ => Task.FromResult(Nal.Join(encoder.Encode(pictures))));

    /// <summary>These bytes.</summary>
    public static Recipe Of(string extension, params byte[] bytes) => new(extension, _ => Task.FromResult(bytes));

    public Recipe Bytes(Func<byte[], byte[]> change) => this with { MakeAsync = async workshop => change(await MakeAsync(workshop)) };

    /// <summary>Other NAL units of H.264.</summary>
    public Recipe Units(Func<List<byte[]>, IEnumerable<byte[]>> change, int startCode = 4) => Bytes(stream => Nal.Join(change(Nal.Split(stream)), startCode));

    /// <summary>Each NAL unit of H.264 becomes none, one or several.</summary>
    public Recipe Each(Func<byte[], IEnumerable<byte[]>> change) => Units(units => units.SelectMany(change));

    /// <summary>Pictures of H.264 (fields, where they are coded alone), each with what comes before it.</summary>
    public Recipe Pictures(Func<List<List<byte[]>>, IEnumerable<List<byte[]>>> change) => Units(units => change(Nal.Pictures(units)).SelectMany(picture => picture));

    /// <summary>H.264 with other usability information.</summary>
    public Recipe Vui(Func<Vui?, Vui?> change) => Each(unit => [Nal.Type(unit) == Nal.Sequence ? SequenceParameters.WithVui(unit, change) : unit]);

    /// <summary>Another IVF file.</summary>
    public Recipe Packets(Func<IvfFile, IvfFile> change) => Bytes(file => change(IvfFile.Read(file)).ToArray());

    /// <summary>Other files behind this one.</summary>
    public Recipe Then(params Recipe[] others) => this with
    {
        MakeAsync = async workshop =>
        {
            var parts = await Task.WhenAll(others.Prepend(this).Select(part => part.MakeAsync(workshop)));
            if (Extension == ByteStream)
            {
                return [.. parts.SelectMany(part => part)];
            }

            var whole = IvfFile.Read(parts[0]);
            foreach (var part in parts.Skip(1).Select(IvfFile.Read))
            {
                var after = whole.Packets[^1].Timestamp + 1;
                whole = whole with { Packets = [.. whole.Packets, .. part.Packets.Select(packet => packet with { Timestamp = packet.Timestamp + after })] };
            }

            return whole.ToArray();
        },
    };

    private static Recipe Encode(string extension, string arguments) =>
        new(extension, workshop => workshop.EncodeAsync(extension, arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
}
