// One step of the demo, as the host side's table wants it.
using System.Text.Json.Serialization;

namespace VirtioUser.Demo.Guest;

/// <summary>What was done and what it took. Written as one line of JSON.</summary>
internal sealed class Step
{
    /// <summary>What was done.</summary>
    public required string Name { get; init; }

    /// <summary>What came out, in words.</summary>
    public string? Detail { get; set; }

    /// <summary>The device that worked, or null.</summary>
    public string? Device { get; set; }

    /// <summary>Where it worked: the object and the bytes of it, or null.</summary>
    public string? WorkedOn { get; set; }

    /// <summary>Bytes that the program handed over.</summary>
    public long SentBytes { get; set; }

    /// <summary>Bytes that came back.</summary>
    public long ResultBytes { get; set; }

    /// <summary>Bytes that both sides saw without their being carried.</summary>
    public long SharedMemoryBytes { get; set; }

    /// <summary>Bytes in messages on the virtqueues.</summary>
    public long QueueBytes { get; set; }

    /// <summary>Requests that were answered.</summary>
    public int RoundTrips { get; set; }

    /// <summary>How long it took.</summary>
    public double Milliseconds { get; set; }
}

/// <summary>Written without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(Step))]
internal sealed partial class StepJson : JsonSerializerContext;
