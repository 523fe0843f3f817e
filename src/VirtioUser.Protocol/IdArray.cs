// The fixed arrays inside a config message.
using System.Runtime.CompilerServices;

namespace VirtioUser.Protocol;

/// <summary>One 32-bit number for each of at most <see cref="Limits.DevicesInMessage"/> devices.</summary>
[InlineArray(Limits.DevicesInMessage)]
public struct IdArray
{
    private uint _first;
}
