// virtio-userd: loads devices and offers them to one virtual machine after the other.
using VirtioUser.Daemon;

return await CommandLine.Create(DaemonHost.RunAsync, Capabilities.Print).Parse(args).InvokeAsync().ConfigureAwait(false);
