// The daemon of a class of cases, and the judge of what became of each.
using System.Diagnostics;
using VirtioUser.Daemon.Tests.Support;

namespace VirtioUser.Hostile.Tests.Rig;

/// <summary>One daemon for the cases of a class; a new one after each that broke it.</summary>
public sealed class HostileDaemon : IDisposable
{
    // What the runtime opens and closes as it likes, and an arena that may be there already for whoever comes next.
    private const int SpareDescriptors = 3, SpareThreads = 24;

    // The log's budget for a connection (docs/threat-model.md), and a few lines that no peer causes.
    private const int Burst = 20, LinesPerSecond = 5, SpareLines = 10;

    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(20);

    private DaemonProcess? _daemon;
    private int _descriptors, _threads;

    /// <summary>Runs a case, judges it, and fails if the verdict is not the right one.</summary>
    internal void Judge(HostileCase it)
    {
        var outcome = it.Options.Count > 0 || it.FreshDaemon ? JudgeAlone(it) : JudgeHere(it);
        Report.Add(it, outcome);
        Assert.True(
            outcome.Verdict == it.Expected && outcome.Harm.Count == 0,
            $"{it.Name} (violates {it.Violates}): {outcome.Verdict}, not {it.Expected}. {string.Join(' ', outcome.Harm)}\n{outcome.Log}");
    }

    public void Dispose() => _daemon?.Dispose();

    private static Outcome JudgeAlone(HostileCase it)
    {
        using var own = new HostileDaemon();
        own.Start(it.Options);
        return own.JudgeHere(it);
    }

    private Outcome JudgeHere(HostileCase it)
    {
        if (_daemon is null || _daemon.HasExited)
        {
            Start([]);
        }

        var daemon = _daemon!;
        List<string> harm = [];
        var firstLine = daemon.LineCount;
        var began = Stopwatch.GetTimestamp();
        var seed = Report.SeedOf(it);
        var attack = new Attack(daemon, seed);
        var verdict = Verdict.Ignored;
        List<string> phases = [];
        try
        {
            verdict = Attacked(it, attack);
            Note("attack");
            if (!it.EndsDaemon)
            {
                AwaitNoSpin(daemon);
                Note("quiet");
                if (!it.StaysConnected)
                {
                    attack.Dispose();
                }

                ServeNext(it, attack.ShutGates);
                Note("next peer");
                attack.Dispose();
                AwaitRest(daemon);
                Note("rest");
            }
        }
        catch (HarmException e)
        {
            harm.Add(e.Message);
        }
        catch (WedgedException e)
        {
            verdict = Verdict.Wedged;
            harm.Add(e.Message);
        }
        finally
        {
            Try(attack.Dispose);
        }

        // A process that died may still be on its way out.
        if (!it.EndsDaemon && (daemon.HasExited || ((verdict != it.Expected || harm.Count > 0) && daemon.AwaitExit(TimeSpan.FromSeconds(5)))))
        {
            verdict = Verdict.Crashed;
            harm.Add($"Exit code {daemon.ExitCode}.");
        }

        var lines = daemon.LinesFrom(firstLine);
        if (verdict != Verdict.Crashed)
        {
            harm.AddRange(CheckLog(lines, attack.Connections + 1, Stopwatch.GetElapsedTime(began)));
        }

        if (verdict is Verdict.Wedged or Verdict.Crashed || it.EndsDaemon)
        {
            daemon.Dispose();
            _daemon = null;
        }

        return new Outcome(verdict, harm, $"seed {seed}\n{string.Join('\n', lines.Take(40))}", Stopwatch.GetElapsedTime(began), string.Join(", ", phases));

        void Note(string phase) => phases.Add($"{phase} at {Stopwatch.GetElapsedTime(began).TotalSeconds:F1} s");
    }

    private static Verdict Attacked(HostileCase it, Attack attack)
    {
        try
        {
            it.Action(attack);
        }
        catch (Exception e) when (e is not (WedgedException or HarmException))
        {
            // What a case did not expect: the daemon is gone, or the case is wrong.
            throw new HarmException($"{e.GetType().Name}: {e.Message} {e.StackTrace}");
        }

        if (attack.Saw is { } saw)
        {
            return saw;
        }

        if (attack.Main is not { IsClosed: false } main)
        {
            return Verdict.Ignored;
        }

        if (main.LastAnswer == Answer.Ended || !main.Lives())
        {
            return Verdict.ConnectionEnded;
        }

        return main.LastAnswer == Answer.Refused ? Verdict.Refused : Verdict.Ignored;
    }

    private void Start(IReadOnlyList<string> options)
    {
        _daemon?.Dispose();
        _daemon = new DaemonProcess(options);

        // What is there after the first peer is what there should be after each.
        ServeNext(null, []);
        AwaitNoSpin(_daemon);
        (_descriptors, _threads) = (int.MaxValue, _daemon.Threads);
        for (var steady = 0; steady < 5; Thread.Sleep(2))
        {
            var now = _daemon.Descriptors;
            steady = now == _descriptors ? steady + 1 : 0;
            _descriptors = now;
        }
    }

    /// <summary>A sound peer is served, and finds its new memory empty.</summary>
    private void ServeNext(HostileCase? it, IReadOnlyList<ulong> gates)
    {
        var daemon = _daemon!;
        var patience = it?.Patience ?? TimeSpan.FromSeconds(30);
        var task = Task.Factory.StartNew(() => Serve(daemon.SocketPath, gates), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            if (!task.Wait(patience))
            {
                throw new WedgedException($"The next peer was not served within {patience.TotalSeconds} s.");
            }
        }
        catch (AggregateException e) when (e.InnerException is HarmException harm)
        {
            throw new HarmException(harm.Message);
        }
        catch (AggregateException e)
        {
            throw new WedgedException($"The next peer was not served: {e.InnerException!.Message}");
        }
    }

    private static void Serve(string socketPath, IReadOnlyList<ulong> gates)
    {
        using var driver = TestDriver.Boot(socketPath);
        var instance = driver.Create();
        var memory = driver.Allocate(instance, 1 << 20);
        if (driver.Bytes(memory).IndexOfAnyExcept((byte)0) >= 0)
        {
            throw new HarmException("The next peer's new memory is not empty.");
        }

        if (driver.Call(instance, TestDevice.Dependency.TestOperation.Echo, 11) != 11)
        {
            throw new HarmException("The next peer had a wrong answer.");
        }

        foreach (var gate in gates)
        {
            driver.Call(instance, TestDevice.Dependency.TestOperation.Release, gate);
        }
    }

    /// <summary>Waits until no thread runs; one that does at every look spins.</summary>
    private static void AwaitNoSpin(DaemonProcess daemon)
    {
        var began = Stopwatch.GetTimestamp();
        for (var quiet = 0; quiet < 4 && !daemon.HasExited; Thread.Sleep(3))
        {
            var runnable = daemon.Runnable();
            quiet = runnable.Count == 0 ? quiet + 1 : 0;
            if (quiet == 0 && Stopwatch.GetElapsedTime(began) > Rest)
            {
                throw new WedgedException($"Threads run although nothing happens: {string.Join(", ", runnable)}.");
            }
        }
    }

    /// <summary>Waits until descriptors, threads and mappings are as they were.</summary>
    private void AwaitRest(DaemonProcess daemon)
    {
        var began = Stopwatch.GetTimestamp();
        while (!daemon.HasExited)
        {
            var (descriptors, threads, foreign) = (daemon.Descriptors, daemon.Threads, daemon.Foreign);
            if (descriptors <= _descriptors + SpareDescriptors && threads <= _threads + SpareThreads && foreign == 0)
            {
                return;
            }

            if (Stopwatch.GetElapsedTime(began) > Rest)
            {
                throw new WedgedException(
                    $"Not given back: {descriptors} descriptors (at rest {_descriptors}), {threads} threads ({_threads}), {foreign} files or mappings of peers that are gone.");
            }

            Thread.Sleep(3);
        }
    }

    private static IEnumerable<string> CheckLog(IReadOnlyList<string> lines, int connections, TimeSpan took)
    {
        var most = (Burst * connections) + (int)(LinesPerSecond * took.TotalSeconds) + SpareLines;
        if (lines.Count > most)
        {
            yield return $"{lines.Count} lines in the log, more than {most}.";
        }

        if (lines.FirstOrDefault(line => line.TrimStart().StartsWith("at ", StringComparison.Ordinal) && line.Contains('(', StringComparison.Ordinal)) is { } trace)
        {
            yield return $"A stack trace in the log: {trace.Trim()}.";
        }

        if (lines.FirstOrDefault(line => line.Contains("fault of the daemon", StringComparison.Ordinal)) is { } fault)
        {
            yield return $"The log says: {fault.Trim()}.";
        }
    }

    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is Virtio.Linux.LinuxException or ObjectDisposedException)
        {
            // The daemon is gone.
        }
    }
}

/// <summary>What became of a case.</summary>
internal sealed record Outcome(Verdict Verdict, IReadOnlyList<string> Harm, string Log, TimeSpan Took, string Phases);
