// Something that a worker thread can do.
namespace VirtioUser.Host.Workers;

/// <summary>Work for one thread of a <see cref="WorkerPool"/>.</summary>
public interface IWork
{
    /// <summary>Does it; may take as long as a device or a guest likes. Must not throw. Several threads at once where the maker says so.</summary>
    void Run();
}
