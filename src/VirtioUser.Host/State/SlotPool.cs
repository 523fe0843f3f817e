// Which rows of a table are free.
namespace VirtioUser.Host.State;

/// <summary>Hands out row numbers, the lowest unused first. Not for use by several threads at once.</summary>
/// <param name="count">How many rows there are.</param>
internal sealed class SlotPool(int count)
{
    private readonly Stack<int> _returned = new();
    private int _untouched;

    /// <summary>Takes a row.</summary>
    /// <returns>False when all are in use.</returns>
    public bool TryRent(out int slot)
    {
        if (_returned.TryPop(out slot))
        {
            return true;
        }

        slot = _untouched;
        if (_untouched == count)
        {
            return false;
        }

        _untouched++;
        return true;
    }

    /// <summary>Gives a row back.</summary>
    public void Return(int slot) => _returned.Push(slot);
}
