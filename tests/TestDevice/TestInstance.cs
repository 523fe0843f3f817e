// An instance that does what its pings say.
using System.Text;
using TestDevice.Dependency;
using VirtioUser.Devices;
using VirtioUser.Protocol;

namespace TestDevice;

/// <summary>See <see cref="TestOperation"/>.</summary>
internal sealed class TestInstance(InstanceContext context) : DeviceInstance
{
    private readonly List<Thread> _raising = [];
    private uint _count;
    private string? _endMark;

    /// <summary>What the last <see cref="TestOperation.MarkEnd"/> named.</summary>
    internal static string? LastMark { get; private set; }
    private ulong? _releasedAtEnd;

    public override uint OnPing(in Ping ping)
    {
        _count++;
        var argument = ping.Metadata & 0x00FF_FFFF_FFFF_FFFF;
        switch ((TestOperation)(ping.Metadata >> 56))
        {
            case TestOperation.Echo:
                return (uint)argument;
            case TestOperation.EchoEvents:
                return ping.Events;
            case TestOperation.Checksum:
                return Pattern.Checksum(ping.Bytes);
            case TestOperation.Fill:
                Pattern.Fill(ping.Bytes, argument);
                return 1;
            case TestOperation.Copy:
                var half = ping.Bytes.Length / 2;
                ping.Bytes[..half].CopyTo(ping.Bytes[half..]);
                return 1;
            case TestOperation.Throw:
                throw new InvalidOperationException("The guest asked for an exception.");
            case TestOperation.Wait:
                Gate.Wait(argument);
                return 1;
            case TestOperation.Release:
                Gate.Open(argument);
                return 1;
            case TestOperation.ReleaseAtEnd:
                _releasedAtEnd = argument;
                return 1;
            case TestOperation.RaiseEvents:
                var thread = new Thread(() => RaiseEvents((uint)argument)) { IsBackground = true, Name = "raise events" };
                _raising.Add(thread);
                thread.Start();
                return 1;
            case TestOperation.JoinEvents:
                _raising.ForEach(each => each.Join());
                return 1;
            case TestOperation.Version:
                return context.Identity.Version;
            case TestOperation.Count:
                return _count;
            case TestOperation.Garbage:
                MakeGarbage(argument);
                return 1;
            case TestOperation.DependencyVersion:
                return DependencyVersion.Major;
            case TestOperation.PhysicalPage:
                return (uint)(ping.PhysicalAddress >> 12);
            case TestOperation.Allocated:
                return (uint)(GC.GetTotalAllocatedBytes(precise: true) & Revents.DeviceMask);
            case TestOperation.Length:
                return (uint)ping.Length;
            case TestOperation.MarkEnd:
                LastMark = _endMark = Encoding.UTF8.GetString(ping.Bytes).TrimEnd('\0');
                return 1;
            default:
                throw new NotSupportedException($"No operation {ping.Metadata >> 56}.");
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (_releasedAtEnd is { } gate)
        {
            Gate.Open(gate);
        }

        if (_endMark is not null)
        {
            // What a device has to finish before it goes: it may take its time.
            Thread.Sleep(200);
            File.WriteAllText(_endMark, "ended");
        }

        base.Dispose(disposing);
    }

    private void RaiseEvents(uint count)
    {
        for (uint i = 1; i <= count; i++)
        {
            context.TrySendEvent(i);
        }
    }

    private static void MakeGarbage(ulong mebibytes)
    {
        for (ulong i = 0; i < mebibytes * 1024; i++)
        {
            GC.KeepAlive(new byte[1024]);
        }

        GC.Collect();
    }
}
