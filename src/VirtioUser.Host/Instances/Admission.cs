// Whether an instance takes a ping.
namespace VirtioUser.Host.Instances;

/// <summary>What became of a ping that was brought to an instance.</summary>
internal enum Admission
{
    /// <summary>The instance is ending.</summary>
    Refused,

    /// <summary>The instance was idle: who brought the ping runs it, and what comes behind it.</summary>
    Run,

    /// <summary>Somebody runs the instance; the ping will be run in its turn.</summary>
    Behind,
}
