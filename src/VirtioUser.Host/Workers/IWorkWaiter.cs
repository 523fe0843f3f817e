// How idle workers sleep.
namespace VirtioUser.Host.Workers;

/// <summary>A transport's way to wait for the guests of all device models. Any number of threads at a time.</summary>
public interface IWorkWaiter
{
    /// <summary>Blocks until a guest kicks, or until <see cref="Wake"/>; one that came before counts. Each kick ends one wait.</summary>
    /// <returns>What the kick was for; null after a wake-up, or for nothing.</returns>
    IWork? Wait();

    /// <summary>Ends one wait. Any thread.</summary>
    void Wake();
}
