namespace VirtioUser.Vm;

/// <summary>The last lines of a text that comes line by line, for error messages. May be used from any thread.</summary>
sealed class Tail(int capacity)
{
    readonly Queue<string> lines = new(capacity);
    readonly Lock gate = new();

    public void Add(string line)
    {
        lock (gate)
        {
            if (lines.Count == capacity)
            {
                lines.Dequeue();
            }

            lines.Enqueue(line);
        }
    }

    public override string ToString()
    {
        lock (gate)
        {
            return string.Join('\n', lines);
        }
    }
}
