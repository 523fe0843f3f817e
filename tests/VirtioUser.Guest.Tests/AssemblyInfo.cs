// What holds for the whole assembly.

// The tests share one device, its arena and its ring: what one fills is missing to the others.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
