namespace VirtioUser.Vm;

/// <summary>What a preparation is doing; reported in order, from one thread at a time.</summary>
/// <param name="Step">The step, for people: "QEMU 11.1 from Debian's backports".</param>
/// <param name="Detail">What it is busy with right now; empty when there is nothing to add.</param>
/// <param name="Elapsed">How long the step took; null while it goes on.</param>
public sealed record PreparationProgress(string Step, string Detail, TimeSpan? Elapsed);
