// The command line.
using System.CommandLine;
using System.CommandLine.Parsing;

namespace VirtioUser.Codec.Play;

/// <summary>Reads the command line into <see cref="PlayOptions"/>.</summary>
internal static class CommandLine
{
    /// <summary>The option that says how much memory pictures get.</summary>
    public const string MemoryOption = "--memory";

    /// <summary>The most that it can be, in MiB.</summary>
    public const int MemoryMaximum = 64 << 10;

    private const int DefaultMemory = 256, ThreadsMaximum = 16;

    /// <summary>Makes the command.</summary>
    /// <param name="play">Does it; returns the exit code.</param>
    public static RootCommand Create(Func<PlayOptions, int> play)
    {
        Argument<string> file = new("FILE") { Description = "H.264 as a byte stream (Annex B), or VP9 or AV1 in IVF; - is the standard input." };
        Option<string?> md5 = new("--framemd5") { Description = "Write the MD5 sum of each picture, as ffmpeg -f framemd5 does; - is the standard output.", HelpName = "PATH" };
        Option<string?> png = new("--png") { Description = "Write pictures as PNG files into this folder.", HelpName = "FOLDER" };
        var every = Number("--every", "Only the first of every N pictures, with --png.", "N", 1, 1, int.MaxValue);
        Option<string?> sheet = new("--sheet") { Description = "Write 12 small pictures, spread over the clip, into this PNG file.", HelpName = "PATH" };
        var threads = Number("--threads", "Threads of the decoder on the host; 0 lets the host choose.", "N", 0, 0, ThreadsMaximum);
        var memory = Number(MemoryOption, "Memory for pictures, in MiB; used only as far as needed.", "MIB", DefaultMemory, 1, MemoryMaximum);
        Option<bool> json = new("--json") { Description = "Print the summary as a line of JSON on the standard output (on the standard error with --framemd5 -)." };
        file.Validators.Add(result => RefuseEmpty(result, "FILE"));
        foreach (var option in new[] { md5, png, sheet })
        {
            option.Validators.Add(result => RefuseEmpty(result, option.Name));
        }

        RootCommand command = new("Decodes a video by a decoder on the host. Without an option that writes something, it only decodes.")
        {
            file, md5, png, every, sheet, threads, memory, json,
        };
        command.SetAction(result => play(new PlayOptions
        {
            File = result.GetRequiredValue(file),
            FrameMd5 = result.GetValue(md5),
            Png = result.GetValue(png),
            Every = result.GetValue(every),
            Sheet = result.GetValue(sheet),
            Threads = result.GetValue(threads),
            FrameMemory = (long)result.GetValue(memory) << 20,
            Json = result.GetValue(json),
        }));
        return command;
    }

    private static void RefuseEmpty(SymbolResult result, string name)
    {
        if (result.Tokens.Any(token => token.Value.Length == 0))
        {
            result.AddError($"{name} is empty.");
        }
    }

    private static Option<int> Number(string name, string description, string helpName, int byDefault, int minimum, int maximum)
    {
        Option<int> option = new(name) { Description = description, HelpName = helpName, DefaultValueFactory = _ => byDefault };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && (!int.TryParse(result.Tokens[0].Value, out var value) || value < minimum || value > maximum))
            {
                result.AddError($"{name} takes a number from {minimum} to {maximum}.");
            }
        });
        return option;
    }
}
