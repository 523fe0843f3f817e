// What holds for the whole assembly.
using System.Runtime.CompilerServices;
using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]
// Every structure that crosses into libc is blittable; nothing is marshalled behind our back.
[assembly: DisableRuntimeMarshalling]
