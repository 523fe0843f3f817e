// What an exception tells the guest.
namespace VirtioUser.Host.Config;

/// <summary>Texts for people; see <see cref="Protocol.ReasonText"/>.</summary>
internal static class Reasons
{
    /// <summary>What an exception says, if it says anything: its message is the device's code too, and may throw.</summary>
    public static string Of(Exception exception)
    {
        try
        {
            return string.IsNullOrWhiteSpace(exception.Message) ? exception.GetType().Name : exception.Message;
        }
#pragma warning disable CA1031 // whatever a device throws ends its instance and nothing else
        catch (Exception)
#pragma warning restore CA1031
        {
            return exception.GetType().Name;
        }
    }
}
