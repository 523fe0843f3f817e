// A daemon that serves one connection at a time is measured too.
namespace VirtioUser.Benchmarks.Processes;

/// <summary>A connection beside others was not served.</summary>
/// <param name="reason">How that showed.</param>
internal sealed class NotServedException(Exception reason) : Exception($"Not served at once: {reason.Message}", reason);
