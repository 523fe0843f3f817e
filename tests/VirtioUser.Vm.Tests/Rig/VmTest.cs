// A test that has a daemon and a VM of its own.
namespace VirtioUser.Vm.Tests;

/// <summary>Boots before each test and takes everything down after it.</summary>
public abstract class VmTest : IAsyncLifetime
{
    VmRig? rig;

    /// <summary>Ends with the test run.</summary>
    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>The daemon and the VM.</summary>
    protected VmRig Rig => rig!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => rig = await VmRig.StartAsync(cancellationToken: Cancelled);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (rig is not null)
        {
            await rig.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }
}
