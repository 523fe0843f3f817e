// The events that an instance has received and nobody has taken.
using VirtioUser.Guest.Channels;
using VirtioUser.Protocol;

namespace VirtioUser.Guest.Direct;

/// <summary>
/// Keeps the same bounds as the guest driver does: an answer always finds a place, since a ping that asks for one
/// takes the place when it is sent; what the device sends on its own has a bound beyond which it is dropped, and
/// the next attempt to receive says so. Under the lock of whoever owns it.
/// </summary>
internal sealed class InstanceEvents
{
    private const int MaxAnswers = 128;
    private const int MaxOwn = 128;

    private readonly uint[] _events = new uint[MaxAnswers + 1 + MaxOwn];
    private int _first;
    private int _count;
    private int _own;
    private int _awaited;
    private int _places;
    private bool _lost;

    /// <summary>Whether the host has said that the instance has ended.</summary>
    public bool Ended { get; private set; }

    /// <summary>Whether <see cref="Take"/> would say something else than that there is nothing.</summary>
    public bool IsReadable => _count > 0 || _lost || Ended;

    /// <summary>Whether there is a place for one more answer.</summary>
    public bool HasPlace => _places < MaxAnswers;

    /// <summary>Takes a place for the answer to a ping that is about to be sent.</summary>
    public bool TryReserve()
    {
        if (!HasPlace)
        {
            return false;
        }

        _places++;
        _awaited++;
        return true;
    }

    /// <summary>The ping was not sent after all.</summary>
    public void Cancel()
    {
        _places--;
        _awaited--;
    }

    /// <summary>Whether no answer is awaited, and none is here that nobody has taken.</summary>
    public bool IsQuiet => _places == 0;

    /// <summary>Takes a place for an answer that has none and did not come yet. The one place beyond the bound is for this.</summary>
    public void Await()
    {
        _places++;
        _awaited++;
    }

    /// <summary>Keeps what came.</summary>
    public void Add(uint revents)
    {
        if (Revents.IsNotice(revents))
        {
            _lost |= Revents.KindOf(revents) == Revents.NoticeEventsLost;
            Ended |= Revents.KindOf(revents) == Revents.NoticeInstanceEnded; // another one is for who closes, and waits for nothing
        }
        else if (Revents.IsAnswer(revents))
        {
            // Nobody asked: a host that counts wrongly must not fill this up.
            if (_awaited == 0)
            {
                return;
            }

            _awaited--;
            Push(revents);
        }
        else if (_own == MaxOwn)
        {
            _lost = true;
        }
        else
        {
            _own++;
            Push(revents);
        }
    }

    /// <summary>Takes the oldest events, as many as fit.</summary>
    public Reception Take(Span<uint> revents, out int count)
    {
        count = 0;
        if (_lost)
        {
            _lost = false;
            return Reception.EventsLost;
        }

        for (; count < revents.Length && _count > 0; count++, _count--)
        {
            revents[count] = _events[_first];
            _first = (_first + 1) % _events.Length;
            if (Revents.IsAnswer(revents[count]))
            {
                _places--;
            }
            else
            {
                _own--;
            }
        }

        return count > 0 ? Reception.Events : Reception.Nothing;
    }

    private void Push(uint revents) => _events[(_first + _count++) % _events.Length] = revents;
}
