// What holds for the whole assembly.
using System.Runtime.Versioning;

[assembly: SupportedOSPlatform("linux")]
