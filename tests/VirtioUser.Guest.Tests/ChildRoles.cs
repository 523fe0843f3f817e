// What the other process does.
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using TestDevice.Dependency;
using VirtioUser.Guest.Channels;

namespace VirtioUser.Guest.Tests;

/// <summary>The roles; each writes a line when it has come to where the test waits for it.</summary>
internal static class ChildRoles
{
    public static int Play(string role, string[] arguments)
    {
        var numbers = arguments.Select(each => ulong.Parse(each, CultureInfo.InvariantCulture)).ToArray();
        switch (role)
        {
            case "import":
                Import(numbers[0], numbers[1]);
                return 0;
            case "hold":
                Hold(numbers[0], numbers[1]);
                return 0;
            case "open-slow":
                Say("opening");
                using (Given.Device(TestDevices.Slow))
                {
                    Say("opened");
                }

                return 0;
            case "call-among-signals":
                CallAmongSignals(numbers[0], numbers[1]);
                return 0;
            case "touch-freed":
                TouchFreed();
                return 0;
            default:
                throw new ArgumentException($"There is no role {role}.");
        }
    }

    /// <summary>Imports an object, tells its checksum, fills it anew when told to go on.</summary>
    private static void Import(ulong id, ulong seed)
    {
        using var device = Given.Device();
        try
        {
            using var memory = device.Import(id);
            Say(Pattern.Checksum(memory.Span).ToString(CultureInfo.InvariantCulture));
            Console.In.ReadLine();
            Pattern.Fill(memory.Span, seed);
            Say(device.Ping(Given.Ping(memory, TestOperation.Checksum)).ToString(CultureInfo.InvariantCulture));
        }
        catch (VirtioUserException e)
        {
            Say(e.Errno.ToString());
        }
    }

    /// <summary>Holds everything that can be held, with pings under way and threads that wait, until it is killed.</summary>
    private static void Hold(ulong gate, ulong length)
    {
        var devices = Enumerable.Range(0, 8).Select(_ => Given.Device()).ToArray();
        var memory = devices[0].Allocate(length);
        for (ulong offset = 0; offset < length; offset += 1 << 20)
        {
            memory.GetSpan(offset, 1)[0] = 1;
        }

        devices[1].Import(memory.Export());
        foreach (var device in devices)
        {
            new Thread(() => device.Ping(Given.Ping(TestOperation.Wait, gate))) { IsBackground = true }.Start();
            new Thread(() => device.ReadEvent()) { IsBackground = true }.Start();
        }

        foreach (var device in devices)
        {
            device.Send([.. Enumerable.Repeat(Given.Ping(TestOperation.Echo), 16)]);
        }

        Say("holding");
        Thread.Sleep(Timeout.Infinite);
    }

    /// <summary>
    /// Calls an instance that answers nothing until a gate opens, while signals come all the time: to the first
    /// thread of the process, which is this one.
    /// </summary>
    private static void CallAmongSignals(ulong gate, ulong calls)
    {
        using var handler = PosixSignalRegistration.Create(PosixSignal.SIGWINCH, _ => { });
        using var signals = Process.Start("sh", ["-c", $"while kill -WINCH {Environment.ProcessId}; do :; done"]);
        using var instance = new RawInstance();
        instance.Write(Given.Ping(TestOperation.Wait, gate));
        ulong answered = 0;
        for (ulong i = 0; i < calls; i++)
        {
            answered += instance.Call(Given.Ping(TestOperation.Count), DriverInterface.LongestWait, out _) ? 1u : 0u;
        }

        signals.Kill();
        Say($"{answered} answered");
        for (ulong i = 0; i < calls; i++)
        {
            Say(instance.Read().ToString(CultureInfo.InvariantCulture));
        }
    }

    private static void TouchFreed()
    {
        using var instance = new RawInstance();
        var held = instance.Allocate(4096);
        using var mapping = instance.Map(held);
        mapping.GetSpan(0, 1)[0] = 1;
        instance.Call(DriverInterface.Free, held.Id);
        Say("freed");
        mapping.GetSpan(0, 1)[0] = 2;
        Say("still here");
    }

    private static void Say(string line)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }
}
