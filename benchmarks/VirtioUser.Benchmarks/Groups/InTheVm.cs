// Group 6: from a program in the guest.
using VirtioUser.Benchmarks.Reporting;

namespace VirtioUser.Benchmarks.Groups;

/// <summary>TODO.</summary>
sealed class InTheVm() : BenchmarkGroup(6, "in the VM")
{
    /// <inheritdoc/>
    public override Task<IReadOnlyList<Figure>> RunAsync(RunContext context, CancellationToken cancellationToken) => throw new NotImplementedException();
}
