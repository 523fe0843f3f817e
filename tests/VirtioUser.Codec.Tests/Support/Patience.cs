// How long a test waits before it says that something never happened.
namespace VirtioUser.Codec.Tests.Support;

/// <summary>Much longer than anything takes on a busy machine: running out is a failure, not a measurement.</summary>
internal static class Patience
{
    public static TimeSpan Limit { get; } = TimeSpan.FromSeconds(60);

    /// <summary>Ends waits when the limit is over.</summary>
    public static CancellationToken Token()
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Limit);
        return limit.Token;
    }
}
