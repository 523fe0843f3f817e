// Runs the tests, or plays the other process in one of them.
using VirtioUser.Guest.Tests;
using Xunit.Runner.InProc.SystemConsole;

return args is ["child", var role, .. var arguments]
    ? ChildRoles.Play(role, arguments)
    : await ConsoleRunner.Run(args);
