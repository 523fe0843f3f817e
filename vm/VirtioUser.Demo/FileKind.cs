// What kind a file is.
using System.Runtime.InteropServices;

namespace VirtioUser.Demo;

/// <summary>Tells kinds of files apart, without opening them. .NET does so only for folders and links.</summary>
internal static class FileKind
{
    // struct statx is the same on all processors: stx_mode is behind six members of 28 bytes.
    private const int SizeOfStatX = 256, ModeOffset = 28;

    private const uint TypeMask = 1; // STATX_TYPE
    private const int KindMask = 0xF000, Regular = 0x8000; // S_IFMT, S_IFREG
    private const int CurrentFolder = -100; // AT_FDCWD

    /// <summary>Whether a path leads to a regular file, maybe by links.</summary>
    public static bool IsRegular(string path)
    {
        var status = new byte[SizeOfStatX];
        return StatX(CurrentFolder, path, 0, TypeMask, status) == 0 && (BitConverter.ToUInt16(status, ModeOffset) & KindMask) == Regular;
    }

    [DllImport("libc", EntryPoint = "statx", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int StatX(
        int folder, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, [Out, MarshalAs(UnmanagedType.LPArray, SizeConst = SizeOfStatX)] byte[] status);
}
