namespace Runner;

/// <summary>How one test ended.</summary>
internal enum Verdict
{
    Passed,
    Failed,
    Skipped,
}

/// <summary>What is known of one test that has run.</summary>
/// <param name="Test">Its name.</param>
/// <param name="Verdict">How it ended.</param>
/// <param name="Message">What went wrong, or why it was skipped; empty if it passed.</param>
internal sealed record Outcome(string Test, Verdict Verdict, string Message = "");
