// The list of cases that the documents show is the one that is run.
using System.Text;
using VirtioUser.Hostile.Tests.Cases;
using VirtioUser.Hostile.Tests.Rig;

namespace VirtioUser.Hostile.Tests;

public sealed class DocumentTests
{
    private static readonly string File = Path.Combine(BuildOutput.Root, "docs", "hostile-cases.md");

    /// <summary>To write the list anew: set VIRTIO_USER_WRITE_CASES to 1 and run this test.</summary>
    [Fact]
    public void The_documents_list_every_case()
    {
        var text = Render();
        if (Environment.GetEnvironmentVariable("VIRTIO_USER_WRITE_CASES") == "1")
        {
            System.IO.File.WriteAllText(File, text);
        }

        Assert.Equal(text, System.IO.File.ReadAllText(File));
    }

    [Fact]
    public void Every_case_has_a_name_of_its_own_and_there_are_enough()
    {
        var names = CaseList.All.Select(each => each.Name).ToArray();
        Assert.Equal(names.Length, names.Distinct().Count());
        Assert.InRange(names.Length, 250, int.MaxValue);
    }

    private static string Render()
    {
        var cases = CaseList.All.ToArray();
        var text = new StringBuilder("# Hostile cases\n\n");
        text.Append("What hostile front-ends and guests try, which section forbids it, and the right verdict. `./test hostile` runs\n");
        text.Append("every case against `virtio-userd` over its socket. After each it wants that the process lives, that a sound peer is\n");
        text.Append("served and finds its new memory empty, that descriptors, threads and mappings are given back, that no thread runs\n");
        text.Append("while nothing happens, and that the log stays within its budget, without a stack trace. *Refused*: a negative\n");
        text.Append("acknowledgement, an error reply, a failed answer, or the error descriptor; the connection goes on. *Ignored*: it\n");
        text.Append("goes on, and nobody else sees an effect. *Wedged* and *crashed* are never right.\n\n");
        text.Append("Made by `tests/VirtioUser.Hostile.Tests/DocumentTests.cs`; sections of VIRTIO are those of version 1.2.\n\n");
        text.Append("| case | violates | verdict |\n|---|---|---|\n");
        foreach (var it in cases)
        {
            text.Append("| ").Append(it.Name).Append(" | ").Append(it.Violates).Append(" | ").Append(Report.Words(it.Expected)).Append(" |\n");
        }

        text.Append('\n').Append(cases.Length).Append(" cases: ");
        text.AppendJoin(", ", cases.GroupBy(each => each.Expected).OrderBy(each => each.Key).Select(each => $"{each.Count()} {Report.Words(each.Key)}"));
        return text.Append(".\n").ToString();
    }
}
