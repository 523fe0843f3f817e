// The guest program of README.md: has the host turn a line around.
using System.Text;
using VirtioUser.Guest;

using var device = VirtioUserDevice.Open(vendor: 0x1234, device: 0x0001);
using var memory = device.Allocate(4096);
var length = Encoding.ASCII.GetBytes("!tseug eht morf olleH", memory.Span);
var answer = device.Ping(new PingRequest(memory, 0, (ulong)length));
Console.WriteLine($"{device.Identity} answered {answer}: {Encoding.ASCII.GetString(memory.Span[..length])}");
