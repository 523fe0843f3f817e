// Where figures come from: they mean nothing without it.
using System.Runtime.InteropServices;
using VirtioUser.Vm;

namespace VirtioUser.Benchmarks.Reporting;

/// <summary>The machine, without anything that names it.</summary>
/// <param name="Processor">The processor's model.</param>
/// <param name="Cores">How many processors Linux shows.</param>
/// <param name="Kernel">Linux' release.</param>
/// <param name="Runtime">.NET's version.</param>
/// <param name="Virtualized">Whether the machine is a VM itself.</param>
/// <param name="Guest">How the VM of the benchmarks runs: "kvm" or "tcg".</param>
/// <param name="GuestProcessor">The processor that the VM's guest sees, as QEMU's -cpu takes it.</param>
/// <param name="Affinity">Which processors programs were bound to, where a figure's name does not say it: none of them was.</param>
internal sealed record Machine(string Processor, int Cores, string Kernel, string Runtime, bool Virtualized, string Guest, string GuestProcessor, string Affinity)
{
    /// <summary>Describes this machine.</summary>
    public static Machine Describe()
    {
        var lines = File.ReadAllLines("/proc/cpuinfo");
        return new Machine(
            Value("model name"), Environment.ProcessorCount, File.ReadAllText("/proc/sys/kernel/osrelease").Trim(), RuntimeInformation.FrameworkDescription,
            Value("flags").Split(' ').Contains("hypervisor"), HostTools.HasKvm() ? "kvm" : "tcg", Vm.GuestProcessor.Model, "none");

        string Value(string key) => lines.FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "";
    }
}
