// Takes files through two devices of the host and proves the results with tools that are not ours.
using System.Globalization;
using Virtio;
using VirtioUser.Demo.Guest;
using VirtioUser.Guest;

if (args.Length == 0)
{
    StandardError.WriteLine("usage: VirtioUser.Demo.Guest FILE...");
    return 2;
}

try
{
    var nodes = Report.Do("list devices", step =>
    {
        var found = DeviceNode.List();
        step.Detail = string.Join(", ", found.Select(node => node.Identity));
        return found;
    });
    if (nodes.Count == 0)
    {
        throw new ProofException($"There is no device, neither in {DeviceNode.Directory} nor where {DeviceSource.EnvironmentVariable} says: is virtio_user.ko loaded, and does the VM have the device?");
    }

    using var workshop = new Workshop(LargestObject(args));
    for (var i = 0; i < args.Length; i++)
    {
        var name = Path.GetFileName(args[i]);
        var packed = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"{i}-{name}.gz"));
        var digest = workshop.Process(args[i], packed);
        Report.Do($"gunzip and compare {name}", step => step.Detail = Proof.Unpacks(packed, args[i]));
        Report.Do($"sha256sum {name}", step => step.Detail = Proof.HasDigest(args[i], digest));
        File.Delete(packed);
    }
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException or ProofException)
{
    StandardError.WriteLine(e.Message);
    return 1;
}

return 0;

static long LargestObject(IEnumerable<string> files) => files.Max(file => new FileInfo(file).Length);
