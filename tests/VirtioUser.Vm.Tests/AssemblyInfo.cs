// One VM at a time: the machine's processors are few, and each test has them for itself.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]
