// A test that has a daemon and a VM of its own.
namespace VirtioUser.Vm.Tests;

/// <summary>Boots before each test and takes everything down after it.</summary>
public abstract class VmTest : IAsyncLifetime
{
    private VmRig? _rig;

    /// <summary>Ends with the test run.</summary>
    protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>The daemon and the VM.</summary>
    protected VmRig Rig => _rig!;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync() => _rig = await VmRig.StartAsync(cancellationToken: Cancelled);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_rig is not null)
        {
            await _rig.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }
}
