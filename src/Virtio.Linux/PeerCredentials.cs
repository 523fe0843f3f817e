// Who is at the other end of a Unix socket.
namespace Virtio.Linux;

/// <summary>What the kernel noted of a process when it connected (<c>SO_PEERCRED</c>), as this process's namespaces see it.</summary>
/// <param name="ProcessId">The process; 0 if it is in no namespace that this process sees. It may have ended, and its number be another's.</param>
/// <param name="UserId">Its effective user.</param>
/// <param name="GroupId">Its effective group.</param>
public readonly record struct PeerCredentials(int ProcessId, uint UserId, uint GroupId);
