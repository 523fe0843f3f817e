// A back-end that answers as it should, except where a test wants something else.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.VhostUser;
using Xunit;

namespace Virtio.Tests.VhostUser;

/// <summary>Listens on a path of its own and serves one connection, on a thread of its own.</summary>
internal sealed class ScriptedBackEnd : IDisposable
{
    /// <summary>The length of shared memory region 0 in bytes.</summary>
    internal const ulong RegionLength = 1 << 20;

    private const ProtocolFeatures Offered = ProtocolFeatures.MultipleQueues | ProtocolFeatures.ReplyAcknowledgement |
        ProtocolFeatures.BackEndRequests | ProtocolFeatures.Configuration | ProtocolFeatures.SharedMemory;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vs-");
    private readonly EventFd _cancel = EventFd.Create();
    private readonly UnixSocket _listener;
    private readonly Thread _thread;
    private readonly Func<RawFrontEnd, RawMessage, bool> _answer;
    private readonly TaskCompletionSource<UnixSocket> _channel = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="answer">
    /// Sees each message first. True = it was answered, or shall not be; false = the back-end answers. An
    /// <see cref="EndOfStreamException"/> ends the connection.
    /// </param>
    internal ScriptedBackEnd(Func<RawFrontEnd, RawMessage, bool>? answer = null)
    {
        _answer = answer ?? ((_, _) => false);
        _listener = UnixSocket.Listen(SocketPath);
        _thread = new Thread(Serve);
        _thread.Start();
    }

    internal string SocketPath => Path.Combine(_folder.FullName, "s");

    /// <summary>The memory tables that came, as the numbers of their regions.</summary>
    internal List<uint> MemoryTables { get; } = [];

    /// <summary>The back-end's own channel, once the front-end has given it.</summary>
    internal UnixSocket Channel
    {
        get
        {
            Assert.True(_channel.Task.Wait(Connection.Patience, TestContext.Current.CancellationToken));
            return _channel.Task.Result;
        }
    }

    /// <summary>Asks the front-end to map a file.</summary>
    /// <returns>Whether it did.</returns>
    internal bool Map(ulong region, ulong fileOffset, ulong regionOffset, ulong length, ulong flags, params FileDescriptor[] descriptors) =>
        Ask(BackEndRequest.SharedMemoryMap, Payload(region, fileOffset, regionOffset, length, flags), descriptors);

    /// <summary>Asks the front-end to unmap a range.</summary>
    /// <inheritdoc cref="Map"/>
    internal bool Unmap(ulong region, ulong regionOffset, ulong length) =>
        Ask(BackEndRequest.SharedMemoryUnmap, Payload(region, 0, regionOffset, length, 0));

    /// <summary>Sends any request on the back-end's own channel, and waits for the answer.</summary>
    internal bool Ask(BackEndRequest request, byte[] payload, params FileDescriptor[] descriptors)
    {
        var channel = new RawFrontEnd(Channel);
        channel.Send((uint)request, RawFrontEnd.NeedReply, payload, descriptors);
        var reply = channel.Receive()!;
        Assert.Equal(((uint)request, RawFrontEnd.Reply), (reply.Request, reply.Flags));
        return BitConverter.ToUInt64(reply.Payload) == 0;
    }

    public void Dispose()
    {
        _cancel.Signal();
        Assert.True(_thread.Join(Connection.Patience), "The front-end does not hang up.");
        if (_channel.Task.IsCompletedSuccessfully)
        {
            _channel.Task.Result.Dispose();
        }

        _listener.Dispose();
        _cancel.Dispose();
        _folder.Delete(recursive: true);
    }

    private void Serve()
    {
        using var socket = _listener.Accept(_cancel);
        if (socket is null)
        {
            return;
        }

        var raw = new RawFrontEnd(socket);
        try
        {
            while (true)
            {
                using var descriptors = new ReceivedDescriptors(8);
                if (raw.Receive(descriptors) is not { } message)
                {
                    return;
                }

                if (message.Request == (uint)FrontEndRequest.SetBackEndRequestDescriptor)
                {
                    _channel.TrySetResult(UnixSocket.FromDescriptor(descriptors.Take(0)));
                }

                if (message.Request == (uint)FrontEndRequest.SetMemoryTable)
                {
                    MemoryTables.Add(BitConverter.ToUInt32(message.Payload));
                }

                if (!_answer(raw, message))
                {
                    Answer(raw, message);
                }
            }
        }
        catch (Exception failure) when (failure is LinuxException or EndOfStreamException)
        {
            // The front-end has hung up, or the test wants to.
        }
    }

    /// <summary>Answers as a back-end should.</summary>
    internal static void Answer(RawFrontEnd raw, RawMessage message)
    {
        var reply = (FrontEndRequest)message.Request switch
        {
            FrontEndRequest.GetFeatures => BitConverter.GetBytes((ulong)(VirtioFeatures.Version1 | VirtioFeatures.ProtocolFeatures)),
            FrontEndRequest.GetProtocolFeatures => BitConverter.GetBytes((ulong)Offered),
            FrontEndRequest.GetQueueNum => BitConverter.GetBytes(2UL),
            FrontEndRequest.GetSharedMemoryConfig => [1, 0, 0, 0, 0, 0, 0, 0, .. BitConverter.GetBytes(RegionLength)],
            FrontEndRequest.GetConfig or FrontEndRequest.GetVringBase => message.Payload,
            _ => (message.Flags & 8) != 0 ? new byte[8] : null,
        };
        if (reply is not null)
        {
            raw.Send(message.Request, RawFrontEnd.Reply, reply);
        }
    }

    private static byte[] Payload(params ulong[] numbers) => MemoryMarshal.AsBytes<ulong>(numbers).ToArray();
}
