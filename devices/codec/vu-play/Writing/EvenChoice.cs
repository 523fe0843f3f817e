// Chooses some of many things, evenly, without knowing how many there will be.
namespace VirtioUser.Codec.Play.Writing;

/// <summary>
/// Keeps every n-th thing, where n doubles each time there are too many: never more than twice as many as are wanted, of
/// however many there are.
/// </summary>
/// <typeparam name="T">The things.</typeparam>
/// <param name="count">How many are wanted.</param>
internal sealed class EvenChoice<T>(int count)
{
    private readonly List<T> _kept = [];
    private long _step = 1;

    /// <summary>Whether a thing should be added.</summary>
    /// <param name="number">How many came before it.</param>
    public bool Wants(long number) => number % _step == 0;

    /// <summary>Adds one that is wanted.</summary>
    public void Add(long number, T thing)
    {
        if (_kept.Count == 2 * count)
        {
            _step *= 2;

            // The one after each that stays.
            for (var i = 1; i < _kept.Count; i++)
            {
                _kept.RemoveAt(i);
            }

            if (!Wants(number))
            {
                return;
            }
        }

        _kept.Add(thing);
    }

    /// <summary>The choice: as many as are wanted, or all if there are fewer.</summary>
    public IReadOnlyList<T> Choose() => _kept.Count <= count
        ? _kept
        : [.. Enumerable.Range(0, count).Select(i => _kept[(int)(((2L * i) + 1) * _kept.Count / (2 * count))])];
}
