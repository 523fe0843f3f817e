// The back-end's own channel, on which it asks to map the arena.
using System.Runtime.InteropServices;
using Virtio.Linux;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>Says yes to every request and keeps the first descriptor.</summary>
internal sealed class ArenaChannel : IDisposable
{
    private readonly UnixSocket _own;
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _mapped = new();
    private Mapping? _arena;
    private FileDescriptor? _file;

    public ArenaChannel(Connection connection)
    {
        (_own, var theirs) = UnixSocket.Pair();
        using (theirs)
        {
            connection.Must(Request.SetBackEndReqFd, [], theirs.Descriptor);
        }

        _thread = new Thread(Serve) { IsBackground = true, Name = "arena channel" };
        _thread.Start();
    }

    /// <summary>The front-end's end.</summary>
    public FileDescriptor Descriptor => _own.Descriptor;

    public FileDescriptor File => _file!;

    /// <summary>Waits until the daemon has asked.</summary>
    public Mapping Await() =>
        _mapped.Wait(TimeSpan.FromSeconds(15)) ? _arena! : throw new WedgedException("The daemon does not ask to map the arena.");

    public void Dispose()
    {
        _own.Shutdown();
        _thread.Join();
        _own.Dispose();
        _arena?.Dispose();
        _file?.Dispose();
    }

    private void Serve()
    {
        var message = new byte[52];
        using var descriptors = new ReceivedDescriptors(8);
        try
        {
            while (true)
            {
                var have = _own.Receive(message, descriptors);
                if (have == 0)
                {
                    return;
                }

                var words = MemoryMarshal.Cast<byte, uint>(message);
                if (descriptors.Count == 1 && _file is null)
                {
                    _file = descriptors.Take(0);
                    _arena = Mapping.Map(_file, 0, MemoryMarshal.Read<ulong>(message.AsSpan(36)));
                }

                if ((words[1] & Wire.NeedReply) != 0)
                {
                    _own.Send(Wire.Message(words[0], Wire.Version | Wire.Reply, 8, Wire.U64(0)));
                }

                if (_file is not null)
                {
                    _mapped.Set();
                }
            }
        }
        catch (LinuxException)
        {
            // The daemon has closed it.
        }
    }
}
