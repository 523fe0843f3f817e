// A lock and what may be touched only under it.
namespace VirtioUser.Host;

/// <summary>
/// Something that one thread at a time may touch, and only for as long as it takes to read and write memory: never during a callback or
/// a system call. What is inside can be reached only by who holds the lane, so nobody can forget to take it.
/// </summary>
/// <typeparam name="T">What is inside; it does not hand itself out.</typeparam>
/// <param name="inside">What is inside; nobody else keeps it.</param>
internal sealed class Lane<T>(T inside)
    where T : class
{
    private readonly Lock _lock = new();
    private readonly T _inside = inside;

    /// <summary>Takes the lane; to be disposed of soon.</summary>
    public Held Enter()
    {
        _lock.Enter();
        return new Held(this);
    }

    /// <summary>The lane, for the thread that holds it.</summary>
    public readonly ref struct Held
    {
        private readonly Lane<T> _lane;

        internal Held(Lane<T> lane) => _lane = lane;

        /// <summary>What is inside.</summary>
        public T Inside => _lane._inside;

        /// <summary>Lets go of the lane.</summary>
        public void Dispose()
        {
            _lane._lock.Exit();
            Seam.Pass();
        }
    }
}
