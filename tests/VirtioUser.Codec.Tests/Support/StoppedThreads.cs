// Threads of another process that stand still for a while.
using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace VirtioUser.Codec.Tests.Support;

/// <summary>Stops some threads of a process, as a debugger does, and no others. They go on when this is disposed of, or this process ends.</summary>
internal sealed class StoppedThreads : IDisposable
{
    private const nint Detach = 17, Seize = 0x4206, Interrupt = 0x4207; // ptrace(2)
    private const int AnyThread = 0x40000000; // __WALL

    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ManualResetEventSlim _over = new();
    private readonly Task _tracer;

    private StoppedThreads(IReadOnlyList<int> threads) =>
        _tracer = Task.Factory.StartNew(() => Trace(threads), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Waits until as many threads of a name wait for something in the kernel, which holds none of their locks, and stops them.</summary>
    public static async Task<StoppedThreads> StopAsync(int process, string name, int count)
    {
        var patience = Patience.Token();
        List<int> waiting;
        while ((waiting = [.. Threads(process, name).Where(thread => IsWaiting(process, thread))]).Count != count)
        {
            patience.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        var stopped = new StoppedThreads(waiting);
        await stopped._stopped.Task;
        return stopped;
    }

    /// <summary>The threads of a name.</summary>
    public static IEnumerable<int> Threads(int process, string name) =>
        Directory.EnumerateDirectories($"/proc/{process}/task")
            .Where(folder => Read(Path.Combine(folder, "comm")).TrimEnd() == name)
            .Select(folder => int.Parse(Path.GetFileName(folder), CultureInfo.InvariantCulture));

    public void Dispose()
    {
        _over.Set();
        _tracer.GetAwaiter().GetResult();
        _over.Dispose();
    }

    // In futex (x86-64: system call 202), to which it has come by pthread_cond_wait.
    private static bool IsWaiting(int process, int thread) => Read($"/proc/{process}/task/{thread}/syscall").StartsWith("202 ", StringComparison.Ordinal);

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            return ""; // it has ended meanwhile
        }
    }

    // All of it on the same thread: the kernel knows it as the one that traces.
    private void Trace(IReadOnlyList<int> threads)
    {
        try
        {
            foreach (var thread in threads)
            {
                Ask(Seize, thread);
                Ask(Interrupt, thread);
                if (WaitFor(thread, out _, AnyThread) != thread)
                {
                    throw new Win32Exception();
                }
            }

            _stopped.SetResult();
            _over.Wait();
            foreach (var thread in threads)
            {
                Ask(Detach, thread);
            }
        }
        catch (Win32Exception e)
        {
            if (!_stopped.TrySetException(e))
            {
                throw;
            }
        }
    }

    private static void Ask(nint request, int thread)
    {
        if (Trace(request, thread, 0, 0) < 0)
        {
            throw new Win32Exception();
        }
    }

    [DllImport("libc", EntryPoint = "ptrace", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint Trace(nint request, nint thread, nint address, nint data);

    [DllImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int WaitFor(int thread, out int status, int options);
}
