// An instance's reference to an object.
namespace VirtioUser.Host.Memory;

/// <summary>A reference and its row in the state.</summary>
/// <param name="Object">The object.</param>
/// <param name="ReferenceSlot">The row.</param>
internal readonly record struct HeldObject(SharedObject Object, int ReferenceSlot);
