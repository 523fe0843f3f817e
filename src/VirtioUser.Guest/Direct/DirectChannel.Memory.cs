// The shared-memory objects of an instance that was opened straight through a daemon's socket.
using System.Numerics;
using Virtio.Linux;
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

internal sealed partial class DirectChannel
{
    private static readonly ulong PageSize = (ulong)Environment.SystemPageSize;

    public override ObjectDescription Allocate(ulong length)
    {
        var rounded = (length + PageSize - 1) & ~(PageSize - 1);
        if (rounded == 0)
        {
            throw new VirtioUserException(identity.ToString(), "allocate", Errno.ENOMEM);
        }

        var reply = Ask("allocate", new ConfigMessage
        {
            Operation = ConfigOperation.AllocateMemory,
            InstanceHandle = handle,
            ShmSize = length,
            ShmFlags = (uint)BitOperations.Log2(PageSize) << 8,
        });
        return reply.ShmSize == rounded ? Describe("allocate", reply) : throw Nonsense("allocate");
    }

    public override ObjectDescription Import(ulong id)
    {
        var reply = Ask("import", new ConfigMessage { Operation = ConfigOperation.ImportMemory, InstanceHandle = handle, ShmId = id });
        return reply.ShmId == id ? Describe("import", reply) : throw Nonsense("import");
    }

    public override void Export(ulong id) =>
        Ask("export", new ConfigMessage { Operation = ConfigOperation.ExportMemory, InstanceHandle = handle, ShmId = id });

    public override void Free(ulong id) =>
        Ask("free", new ConfigMessage { Operation = ConfigOperation.FreeMemory, InstanceHandle = handle, ShmId = id });

    public override Mapping Map(ObjectDescription description)
    {
        try
        {
            return host.TryMap(description.Offset, description.Length) ?? throw new VirtioUserException(identity.ToString(), "map", Errno.ENODEV);
        }
        catch (LinuxException e)
        {
            throw Failure("map", e);
        }
    }

    public override string Explain()
    {
        try
        {
            var request = new ConfigMessage { Operation = ConfigOperation.Explain, InstanceHandle = handle };
            return host.Ask(identity.ToString(), "explain", in request).Reason.ToString();
        }
        catch (VirtioUserException)
        {
            return "";
        }
    }

    private ConfigMessage Ask(string operation, in ConfigMessage request)
    {
        ThrowIfOver(operation);
        return host.Ask(identity.ToString(), operation, in request);
    }

    private ObjectDescription Describe(string operation, in ConfigMessage reply) =>
        reply.ShmId != 0 && reply.ShmSize != 0 && reply.ShmOffset % PageSize == 0 && reply.ShmSize % PageSize == 0 &&
        reply.ShmSize <= host.ArenaLength && reply.ShmOffset <= host.ArenaLength - reply.ShmSize
            ? new ObjectDescription(reply.ShmId, reply.ShmOffset, reply.ShmSize)
            : throw Nonsense(operation);

    private VirtioUserException Nonsense(string operation) => HostConnection.Nonsense(identity.ToString(), operation);
}
