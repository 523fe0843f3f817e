// The floor of every start-up time: a program that says one line, and waits to be ended.
Console.Error.WriteLine("Listening on nothing");
Thread.Sleep(Timeout.Infinite);
