// The threads on which actors run.
namespace VirtioUser.Host.Tests.Orders;

/// <summary>Threads that are used again for each run: there are many runs.</summary>
internal sealed class Stage : IDisposable
{
    private readonly List<Place> _places = [];

    /// <summary>Has something done on the thread with a number. The one before must be over.</summary>
    public void Begin(int place, Action what)
    {
        while (_places.Count <= place)
        {
            _places.Add(new Place());
        }

        _places[place].Begin(what);
    }

    public void Dispose() => _places.ForEach(place => place.Begin(null));

#pragma warning disable CA1001 // its thread ends, and the semaphore holds nothing outside of this process's memory
    private sealed class Place
#pragma warning restore CA1001
    {
        private readonly SemaphoreSlim _go = new(0);
        private Action? _what;

        public Place() => new Thread(Main) { IsBackground = true, Name = "actor" }.Start();

        public void Begin(Action? what)
        {
            _what = what;
            _go.Release();
        }

        private void Main()
        {
            while (true)
            {
                _go.Wait();
                if (_what is null)
                {
                    return;
                }

                _what();
            }
        }
    }
}
