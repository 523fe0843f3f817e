// What the program is told.
using VirtioUser.Codec.Play;

namespace VirtioUser.Codec.UnitTests;

public sealed class CommandLineTests
{
    [Fact]
    public void Options_reach_the_program()
    {
        PlayOptions? got = null;
        var code = CommandLine.Create(options =>
        {
            got = options;
            return 7;
        }).Parse(["a.ivf", "--framemd5", "-", "--png", "folder", "--every", "3", "--sheet", "sheet.png", "--threads", "2", "--memory", "64", "--json"]).Invoke();
        Assert.Equal(7, code);
        Assert.Equal(
            new PlayOptions { File = "a.ivf", FrameMd5 = "-", Png = "folder", Every = 3, Sheet = "sheet.png", Threads = 2, FrameMemory = 64 << 20, Json = true },
            got);
    }

    [Fact]
    public void Without_options_it_only_decodes()
    {
        PlayOptions? got = null;
        CommandLine.Create(options =>
        {
            got = options;
            return 0;
        }).Parse(["a.h264"]).Invoke();
        Assert.Equal(new PlayOptions { File = "a.h264", FrameMemory = 256 << 20 }, got);
    }

    [Theory]
    [InlineData]
    [InlineData("a", "b")]
    [InlineData("a", "--every", "0")]
    [InlineData("a", "--threads", "17")]
    [InlineData("a", "--threads", "many")]
    [InlineData("a", "--memory", "65537")]
    [InlineData("a", "--nonsense")]
    [InlineData("")]
    [InlineData("a", "--framemd5", "")]
    [InlineData("a", "--png", "")]
    [InlineData("a", "--sheet", "")]
    public void What_means_nothing_is_an_error(params string[] arguments) =>
        Assert.NotEmpty(CommandLine.Create(_ => 0).Parse(arguments).Errors);
}
