// One order of the steps of a few actors.
using System.Text;
using VirtioUser.Host.Tests.Support;

namespace VirtioUser.Host.Tests.Orders;

/// <summary>One run of an <see cref="Explorer"/>.</summary>
#pragma warning disable CA1001 // what it waits with holds nothing outside of this process's memory
internal sealed class Order(Stage stage, IReadOnlyList<int> given, int maxOvertakings)
#pragma warning restore CA1001
{
    [ThreadStatic]
    private static Actor? s_actor;

    private readonly List<Actor> _actors = [];
    private readonly List<(int Choice, int Count)> _choices = [];
    private readonly StringBuilder _trace = new();
    private readonly ManualResetEventSlim _over = new(false);
    private volatile bool _ends;
    private Exception? _failure;
    private int _overtakings;

    /// <summary>What was chosen until now.</summary>
    public IEnumerable<int> Choices => _choices.Select(choice => choice.Choice);

    /// <summary>Who ran, in order.</summary>
    public string Trace => _trace.ToString();

    /// <summary>Adds an actor, before the run.</summary>
    /// <param name="name">For the trace.</param>
    /// <param name="body">What it does.</param>
    /// <param name="takesLocks">False for a guest, who can go on while another actor stands in a lock of the host.</param>
    /// <param name="serves">It has no end: at the end of the run it may wait.</param>
    public void Add(string name, Action body, bool takesLocks = true, bool serves = false) =>
        _actors.Add(new Actor(this, name, body, takesLocks, serves));

    /// <summary>A seam: another actor may go on from here. Does nothing on the threads of others.</summary>
    /// <param name="holdsLock">Whether the caller holds a lock of the host.</param>
    public static void Stop(bool holdsLock = false) => StopUntil(null, holdsLock);

    /// <summary>The same, but goes on only when something is so.</summary>
    public static void StopUntil(Func<bool>? condition, bool holdsLock = false)
    {
        if (s_actor is { } actor)
        {
            (actor.Condition, actor.HoldsLock) = (condition, holdsLock);
            actor.Order.Switch(actor);
            (actor.Condition, actor.HoldsLock) = (null, false);
        }
    }

    /// <summary>Runs the actors until nobody can go on.</summary>
    public void Run()
    {
        for (var i = 0; i < _actors.Count; i++)
        {
            var actor = _actors[i];
            stage.Begin(i, () => Main(actor));
        }

        Next(null);
        Assert.True(_over.Wait(Patience.Limit), "An actor comes to no seam.");
        if (_failure is not null)
        {
            throw new InvalidOperationException(_failure.ToString(), _failure);
        }

        Assert.All(_actors, actor => Assert.True(actor.IsDone || actor.Serves, $"{actor.Name} waits in vain."));
    }

    /// <summary>Ends the actors that wait. Each is alone meanwhile, too.</summary>
    public void End()
    {
        _ends = true;
        foreach (var actor in _actors.Where(actor => !actor.IsOver.IsSet))
        {
            actor.Go.Release();
            actor.IsOver.Wait(Patience.Limit);
        }
    }

    /// <summary>The choices of the next run; empty if there is none.</summary>
    public List<int> NextChoices()
    {
        var next = _choices.ToList();
        while (next.Count > 0 && next[^1].Choice + 1 == next[^1].Count)
        {
            next.RemoveAt(next.Count - 1);
        }

        if (next.Count > 0)
        {
            next[^1] = (next[^1].Choice + 1, next[^1].Count);
        }

        return [.. next.Select(choice => choice.Choice)];
    }

    private void Main(Actor actor)
    {
        s_actor = actor;
        actor.Go.Wait();
        try
        {
            if (!_ends)
            {
                actor.Body();
            }
        }
#pragma warning disable CA1031 // the test shows it
        catch (Exception e)
#pragma warning restore CA1031
        {
            _failure ??= _ends ? null : e;
        }

        s_actor = null;
        actor.IsDone = true;
        if (!_ends)
        {
            Next(actor);
        }

        actor.IsOver.Set();
    }

    private void Switch(Actor actor)
    {
        if (!_ends && Next(actor) != actor)
        {
            actor.Go.Wait();
        }

        if (_ends)
        {
            throw new OrderEndedException();
        }
    }

    /// <summary>Chooses who goes on. The one who runs comes first.</summary>
    private Actor? Next(Actor? current)
    {
        Actor[] able = [.. _actors.Where(actor => CanGoOn(actor)).OrderBy(actor => actor == current ? 0 : 1)];
        if (able.Length == 0 || _failure is not null)
        {
            _over.Set();
            return null;
        }

        var couldGoOn = current is not null && able[0] == current;
        if (couldGoOn && _overtakings == maxOvertakings)
        {
            able = able[..1];
        }

        var choice = 0;
        if (able.Length > 1)
        {
            choice = _choices.Count < given.Count ? given[_choices.Count] : 0;
            _choices.Add((choice, able.Length));
        }

        var next = able[choice];
        if (next != current)
        {
            _overtakings += couldGoOn ? 1 : 0;
            _trace.Append(next.Name).Append(' ');
            next.Go.Release();
        }

        return next;
    }

    private bool CanGoOn(Actor actor) =>
        !actor.IsDone
        && (!actor.TakesLocks || actor.HoldsLock || !_actors.Exists(other => other.HoldsLock))
        && (actor.Condition is null || actor.Condition());

    private sealed class Actor(Order order, string name, Action body, bool takesLocks, bool serves)
    {
        public Order Order => order;

        public string Name => name;

        public Action Body => body;

        public bool TakesLocks => takesLocks;

        public bool Serves => serves;

        public SemaphoreSlim Go { get; } = new(0);

        public ManualResetEventSlim IsOver { get; } = new(false);

        public Func<bool>? Condition { get; set; }

        public bool HoldsLock { get; set; }

        public bool IsDone { get; set; }
    }

    /// <summary>Takes an actor out of what it waits for.</summary>
    private sealed class OrderEndedException : Exception;
}
