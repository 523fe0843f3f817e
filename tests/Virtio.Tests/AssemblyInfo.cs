// What holds for all tests here.
using System.Runtime.Versioning;
using Xunit.Sdk;
using Xunit.v3;

[assembly: SupportedOSPlatform("linux")]
// Some tests count the descriptors and mappings of the whole process.
[assembly: Parallelization(Mode = ParallelMode.None)]
