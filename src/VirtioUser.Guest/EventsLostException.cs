// Events that nobody read in time.
using Virtio.Linux;

namespace VirtioUser.Guest;

/// <summary>
/// Events that the device sent on its own were dropped, because more came than were read. Thrown once for each
/// loss, from the next attempt to read events; reading may go on after it. Answers to pings are never lost.
/// </summary>
/// <param name="device">The device, in the form of its node's name.</param>
public sealed class EventsLostException(string device) : VirtioUserException(device, "read", Errno.EOVERFLOW, "events were lost because nobody read them in time");
