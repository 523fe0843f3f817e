// How a back-end sets up, starts and stops the rings.
using System.Runtime.InteropServices;
using Virtio.Linux;
using Virtio.Queues;
using Virtio.VhostUser.Messages;

namespace Virtio.VhostUser;

public sealed partial class BackEnd
{
    private Vring GetVring(string request, uint index)
    {
        if (index >= (uint)_state.Vrings.Length)
        {
            throw new VhostUserException($"{request} names ring {index}; there are {_state.Vrings.Length}.");
        }

        return _state.Vrings[index];
    }

    /// <summary>A ring that may be changed, since it has stopped.</summary>
    private Vring GetStoppedVring(string request, uint index)
    {
        var vring = GetVring(request, index);
        return vring.Started is null ? vring : throw new VhostUserException($"{request} for ring {index}, which is running.");
    }

    private void SetVringNum(ReadOnlySpan<byte> payload)
    {
        var message = MessageChannel.ReadPayload<VringState>("SET_VRING_NUM", payload);
        var vring = GetStoppedVring("SET_VRING_NUM", message.Index);
        if (message.Number is 0 or > QueueLayout.MaximumSize || (message.Number & (message.Number - 1)) != 0)
        {
            throw new VhostUserException($"SET_VRING_NUM: ring {message.Index} of {message.Number} descriptors; that is not a power of two up to {QueueLayout.MaximumSize}.");
        }

        vring.Size = (ushort)message.Number;
        StartIfReady(vring);
    }

    private void SetVringBase(ReadOnlySpan<byte> payload)
    {
        var message = MessageChannel.ReadPayload<VringState>("SET_VRING_BASE", payload);
        var vring = GetStoppedVring("SET_VRING_BASE", message.Index);
        if (message.Number > ushort.MaxValue)
        {
            throw new VhostUserException($"SET_VRING_BASE: an index of {message.Number} for split ring {message.Index}.");
        }

        vring.Tell((ushort)message.Number);
        StartIfReady(vring);
    }

    private void SetVringAddress(ReadOnlySpan<byte> payload)
    {
        var message = MessageChannel.ReadPayload<VringAddress>("SET_VRING_ADDR", payload);
        if (message.Flags != 0)
        {
            throw new VhostUserException($"SET_VRING_ADDR: flags 0x{message.Flags:x} for ring {message.Index}; logging was not offered.");
        }

        var vring = GetStoppedVring("SET_VRING_ADDR", message.Index);
        vring.Addresses = new QueueLayout(0,
            ToGuestAddress(message.Index, "descriptor table", message.Descriptor),
            ToGuestAddress(message.Index, "available ring", message.Available),
            ToGuestAddress(message.Index, "used ring", message.Used));
        StartIfReady(vring);
    }

    private ulong ToGuestAddress(uint index, string part, ulong userAddress)
    {
        if (_state.Memory.TryGetGuestAddress(userAddress, out var guestAddress))
        {
            return guestAddress;
        }

        throw new VhostUserException($"The {part} of ring {index} at 0x{userAddress:x} is in no region of the memory table. " +
            "Guest memory must be shared: start the VM with share=on for its memory.");
    }

    private void SetVringKick(ReadOnlySpan<byte> payload)
    {
        var vring = TakeEventFd("SET_VRING_KICK", payload, out var kick);
        if (kick is null)
        {
            throw new VhostUserException($"SET_VRING_KICK: ring {vring.Index} without a kick descriptor; polling is not offered.");
        }
        // A new descriptor for a running ring: the device has to wait on that one. The device as a whole goes on.
        if (vring.Started is { } started)
        {
            StopQueue(vring, started);
        }

        vring.ReplaceKick(kick);
        try
        {
            StartIfReady(vring);
        }
        finally
        {
            // A ring whose memory is gone by now does not start again, and may have been the last one.
            StopDeviceIfIdle();
        }
    }

    private void SetVringCall(ReadOnlySpan<byte> payload)
    {
        var vring = TakeEventFd("SET_VRING_CALL", payload, out var call);
        vring.Call.Replace(call);
    }

    private void SetVringError(ReadOnlySpan<byte> payload)
    {
        var vring = TakeEventFd("SET_VRING_ERR", payload, out var error);
        vring.Error.Replace(error);
    }

    private Vring TakeEventFd(string request, ReadOnlySpan<byte> payload, out EventFd? eventFd)
    {
        var message = new VringDescriptor(MessageChannel.ReadPayload<ulong>(request, payload));
        if (!message.IsValid)
        {
            throw new VhostUserException($"{request} has unknown bits: 0x{message.Value:x}.");
        }

        var vring = GetVring(request, message.Index);
        var expected = message.HasDescriptor ? 1 : 0;
        if (_channel.Descriptors.Count != expected)
        {
            throw new VhostUserException($"{request} for ring {message.Index} carries {_channel.Descriptors.Count} descriptors instead of {expected}.");
        }

        eventFd = null;
        if (message.HasDescriptor)
        {
            try
            {
                eventFd = EventFd.FromDescriptor(_channel.Descriptors.Take(0));
            }
            catch (Exception failure) when (failure is ArgumentException or LinuxException)
            {
                throw new VhostUserException($"{request} for ring {message.Index}: {failure.Message}", failure);
            }
        }
        return vring;
    }

    private void SetVringEnable(ReadOnlySpan<byte> payload)
    {
        var message = MessageChannel.ReadPayload<VringState>("SET_VRING_ENABLE", payload);
        var vring = GetVring("SET_VRING_ENABLE", message.Index);
        if (message.Number > 1)
        {
            throw new VhostUserException($"SET_VRING_ENABLE: {message.Number} for ring {message.Index} is neither 0 nor 1.");
        }

        vring.Enabled = message.Number == 1;
        if (vring.Enabled)
        {
            StartIfReady(vring);
        }
        else
        {
            StopRing(vring);
        }
    }

    private void GetVringBase(ReadOnlySpan<byte> payload)
    {
        var message = MessageChannel.ReadPayload<VringState>("GET_VRING_BASE", payload);
        var vring = GetVring("GET_VRING_BASE", message.Index);
        StopRing(vring);
        // The ring starts again only with a new kick descriptor, so that a ring that is set up anew does not start with
        // half of its old parts.
        vring.ReplaceKick(null);
        var reply = new VringState(message.Index, vring.Base ?? 0);
        Reply(FrontEndRequest.GetVringBase, MemoryMarshal.AsBytes(new ReadOnlySpan<VringState>(in reply)));
    }

    /// <summary>Starts a ring if all that it needs is there, whatever came last.</summary>
    private void StartIfReady(Vring vring)
    {
        // Without the protocol features a ring is enabled from the beginning.
        var enabled = vring.Enabled || (_state.Features & VirtioFeatures.ProtocolFeatures) == 0;
        if (vring.Started is not null || !enabled || vring.Kick is null || vring.Size == 0 || vring.Addresses is not { } addresses)
        {
            return;
        }

        DeviceQueue queue;
        try
        {
            queue = new DeviceQueue(_state.Memory, addresses with { Size = vring.Size }, (QueueFeatures)(ulong)_state.Features, vring.Base ?? 0);
        }
        catch (QueueException failure)
        {
            throw new VhostUserException($"Ring {vring.Index} cannot start: {failure.Message}", failure);
        }

        // These run already, for a driver that turns out to be a new one.
        List<Vring> begun = _state is { Started: true, MayBeFresh: true } && vring.BeginsAnew ? [.. _state.Vrings.Where(each => each.Started is not null)] : [];
        begun.ForEach(StopRing);
        if (!_state.Started)
        {
            StartDevice();
        }

        vring.Started = new StartedQueue(vring.Index, queue, vring.Kick, vring.Call, vring.Error);
        vring.Unmute();
        _device.QueueStarted(vring.Started);
        begun.ForEach(StartIfReady);
    }

    /// <summary>
    /// Starts the device, for a new driver as far as the positions say by now: a front-end may tell them ring by ring, each when
    /// another runs already. What a ring keeps from its stop says nothing of who starts it.
    /// </summary>
    private void StartDevice()
    {
        var goesOn = _state.Vrings.Any(vring => vring.GoesOn);
        var fresh = _state.Vrings.All(vring => vring.Base is null or 0) || (!goesOn && _state.Vrings.Any(vring => vring.BeginsAnew));
        _state.Started = true;
        _state.MayBeFresh = !goesOn && !fresh; // where the first ring had stopped at 0, the next one tells
        _device.Started(new DeviceStart(fresh, _state.Features, _state.Memory));
        _mapper.DeviceStarted(_state.Memory, _state.Has(ProtocolFeatures.SharedMemory));
    }

    /// <summary>Stops a ring, if it runs. The last one to stop stops the device.</summary>
    private void StopRing(Vring vring)
    {
        if (vring.Started is not { } started)
        {
            return;
        }
        // From the first ring that stops, the front-end may be about to take the device down.
        _mapper.DeviceStopping();
        StopQueue(vring, started);
        StopDeviceIfIdle();
    }

    /// <summary>Stops the device if it is started and no ring runs any more. Every path that stops a ring ends here.</summary>
    private void StopDeviceIfIdle()
    {
        if (_state.Started && _state.Vrings.All(vring => vring.Started is null))
        {
            _mapper.DeviceStopping();
            _state.Started = false;
            _device.Stopped();
        }
    }

    private void StopQueue(Vring vring, StartedQueue started)
    {
        vring.Mute();
        _device.QueueStopping(vring.Index);
        vring.StopAt(started.Queue.LastAvailable);
    }

    private void StopAll()
    {
        foreach (var vring in _state.Vrings)
        {
            StopRing(vring);
        }
    }
}
