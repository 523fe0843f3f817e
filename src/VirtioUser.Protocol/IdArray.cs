// The fixed arrays inside a config message.
using System.Runtime.CompilerServices;

namespace VirtioUser.Protocol;

/// <summary>One 32-bit number for each of at most <see cref="Limits.MaxDevices"/> devices.</summary>
[InlineArray(Limits.MaxDevices)]
public struct IdArray
{
    private uint _first;
}
