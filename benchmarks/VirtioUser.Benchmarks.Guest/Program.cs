// What the benchmarks run in the guest.
return 0;
