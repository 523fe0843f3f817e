// The two devices and the memory that they share with this program.
using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using VirtioUser.Guest;

namespace VirtioUser.Demo.Guest;

/// <summary>
/// A file goes into shared memory once, in parts; the digest device and the gzip device work on the same bytes there.
/// </summary>
/// <remarks>
/// The object: 64 bytes for the digest, whose last 8 (which SHA-256 does not use) are the gzip device's length; the
/// input; room for the compressed bytes. See the devices' README.md.
/// </remarks>
internal sealed class Workshop : IDisposable
{
    private const int Header = 64;
    private const int GzipHeader = 8;
    private const int LargestPart = 28 << 20;
    private const ulong MoreFollows = 1 << 8;
    private const uint Done = 1;

    private readonly VirtioUserDevice _digest;
    private readonly VirtioUserDevice _gzip;
    private readonly SharedObject _memory;
    private readonly SharedObject _imported;
    private readonly int _part;

    public Workshop(long largestFile)
    {
        _digest = Open(0x0002);
        _gzip = Open(0x0001);
        _part = (int)Math.Clamp(largestFile, 1, LargestPart);
        // What deflate can not compress grows a little.
        var length = (ulong)(Header + _part + _part + (_part / 8) + 1024);
        _memory = Report.Do("allocate shared memory", step =>
        {
            Report.CountConfig(step);
            var memory = _gzip.Allocate(length);
            step.Detail = string.Create(CultureInfo.InvariantCulture, $"object {memory.Id}, {memory.Length} bytes");
            return memory;
        });
        _imported = Report.Do("export it to the other device", step =>
        {
            Report.CountConfig(step);
            Report.CountConfig(step);
            step.Detail = string.Create(CultureInfo.InvariantCulture, $"object {_memory.Id} in {_gzip.Identity} and {_digest.Identity}");
            return _digest.Import(_memory.Export());
        });
    }

    /// <summary>Compresses a file and computes its digest.</summary>
    /// <param name="path">The file.</param>
    /// <param name="packedPath">Where the compressed file goes.</param>
    /// <returns>The SHA-256, in hexadecimal.</returns>
    public string Process(string path, string packedPath)
    {
        var name = Path.GetFileName(path);
        var read = new Step { Name = $"read {name} into shared memory" };
        var hash = new Step { Name = $"digest {name}", Device = _digest.Identity.ToString() };
        var pack = new Step { Name = $"compress {name}", Device = _gzip.Identity.ToString() };
        var save = new Step { Name = $"write {Path.GetFileName(packedPath)}" };
        using var input = File.OpenHandle(path, options: FileOptions.SequentialScan);
        using var output = File.OpenHandle(packedPath, FileMode.Create, FileAccess.Write);
        var length = RandomAccess.GetLength(input);
        long position = 0;
        do
        {
            var part = (int)Math.Min(_part, length - position);
            Measure(read, () => Fill(input, position, part));
            position += part;
            read.SentBytes += part;

            Measure(hash, () => Digest(hash, part, moreFollows: position < length));
            var packed = Measure(pack, () => Compress(pack, part));
            Measure(save, () => RandomAccess.Write(output, _memory.GetSpan((ulong)(Header + part), packed), save.SentBytes));
            save.SentBytes += packed;
        }
        while (position < length);

        var digest = Convert.ToHexStringLower(_memory.GetSpan(0, 32));
        hash.ResultBytes = 32;
        hash.Detail = $"SHA-256 {digest}";
        pack.Detail = string.Create(CultureInfo.InvariantCulture, $"{length} bytes to {pack.ResultBytes}");
        foreach (var step in new[] { read, hash, pack, save })
        {
            Report.Write(step);
        }

        return digest;
    }

    public void Dispose()
    {
        _imported.Dispose();
        _memory.Dispose();
        _gzip.Dispose();
        _digest.Dispose();
    }

    private static VirtioUserDevice Open(uint device) => Report.Do($"open 5655:{device:x4}", step =>
    {
        Report.CountConfig(step);
        var opened = VirtioUserDevice.Open(0x5655, device, minimumVersion: 1, maximumVersion: 1);
        step.Detail = opened.Identity.ToString();
        return opened;
    });

    private void Fill(SafeFileHandle input, long position, int length)
    {
        for (var done = 0; done < length;)
        {
            var count = RandomAccess.Read(input, _memory.GetSpan((ulong)(Header + done), length - done), position + done);
            done += count > 0 ? count : throw new EndOfStreamException("The file became shorter while it was read.");
        }
    }

    private void Digest(Step step, int length, bool moreFollows)
    {
        Ping(step, _digest, new PingRequest(_imported, 0, (ulong)(Header + length), moreFollows ? MoreFollows : 0));
        step.SentBytes += length;
        step.SharedMemoryBytes += length + (moreFollows ? 0 : 32);
    }

    private int Compress(Step step, int length)
    {
        const ulong begin = Header - GzipHeader;
        Ping(step, _gzip, new PingRequest(_memory, begin, _memory.Length - begin, (ulong)length));
        var packed = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(_memory.GetSpan(begin, GzipHeader)));
        step.SentBytes += length;
        step.ResultBytes += packed;
        step.SharedMemoryBytes += length + GzipHeader + packed;
        return packed;
    }

    private static void Ping(Step step, VirtioUserDevice device, PingRequest request)
    {
        Report.CountPing(step);
        step.WorkedOn = string.Create(
            CultureInfo.InvariantCulture, $"object {request.ShmId}, bytes {request.ShmOffset} to {request.ShmOffset + request.ShmSize - 1}");
        if (device.Ping(request) is var answer && answer != Done)
        {
            throw new ProofException($"{device.Identity} answered {answer}.");
        }
    }

    private static T Measure<T>(Step step, Func<T> action)
    {
        var begin = Stopwatch.GetTimestamp();
        var result = action();
        step.Milliseconds += Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        return result;
    }

    private static void Measure(Step step, Action action) => Measure(step, () =>
    {
        action();
        return true;
    });
}
