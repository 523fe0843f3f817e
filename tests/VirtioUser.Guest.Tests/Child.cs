// Another process, which is this program in one of its roles.
using System.Collections.Concurrent;
using System.Diagnostics;
using Xunit;

namespace VirtioUser.Guest.Tests;

/// <summary>A child that speaks in lines, and goes on when it is told to. Killed when disposed.</summary>
internal sealed class Child : IDisposable
{
    private readonly Process _process;
    private readonly List<string> _output = [];
    private readonly ConcurrentQueue<string> _errors = new();

    private Child(Process process) => _process = process;

    /// <summary>The lines that were read from it.</summary>
    public IReadOnlyList<string> Output => _output;

    public static Child Start(string role, params object[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardInput = true, RedirectStandardError = true };
        foreach (var word in new[] { typeof(Child).Assembly.Location, "child", role }.Concat(arguments.Select(each => $"{each}")))
        {
            start.ArgumentList.Add(word);
        }

        var process = Process.Start(start)!;
        var child = new Child(process);
        process.ErrorDataReceived += (_, line) => child._errors.Enqueue(line.Data ?? "");
        process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Waits for the next line.</summary>
    public string ReadLine()
    {
        var line = Given.Blocking(_process.StandardOutput.ReadLine).GetAwaiter().GetResult();
        Assert.True(line is not null, $"the child ended: {string.Join('\n', _errors)}");
        _output.Add(line);
        return line;
    }

    /// <summary>Lets a child go on that waits for this.</summary>
    public void Continue() => _process.StandardInput.WriteLine();

    /// <summary>Ends it as kill -9 does, and waits until it is gone.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Reads the rest of its lines, and waits until it is gone.</summary>
    public int WaitForExit()
    {
        while (Given.Blocking(_process.StandardOutput.ReadLine).GetAwaiter().GetResult() is { } line)
        {
            _output.Add(line);
        }

        Assert.True(_process.WaitForExit(Given.Patience), "the child does not end");
        return _process.ExitCode;
    }

    public void Dispose()
    {
        _process.Kill();
        _process.Dispose();
    }
}
