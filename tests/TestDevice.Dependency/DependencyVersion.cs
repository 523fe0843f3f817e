// A private dependency of the test devices, to show that each device assembly gets its own.
namespace TestDevice.Dependency;

/// <summary>Which version of this assembly was loaded.</summary>
public static class DependencyVersion
{
    /// <summary>The major number of the assembly's version.</summary>
    public static uint Major => (uint)typeof(DependencyVersion).Assembly.GetName().Version!.Major;
}
