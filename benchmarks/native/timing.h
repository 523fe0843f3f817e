/* Clocks, and how the programs in C tell what they measured. */
#ifndef BENCHMARKS_TIMING_H
#define BENCHMARKS_TIMING_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static inline uint64_t nanoseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What has passed since the last lap. */
static inline uint64_t lap(uint64_t *before)
{
	uint64_t now = nanoseconds(CLOCK_MONOTONIC), passed = now - *before;

	*before = now;
	return passed;
}

static inline uint64_t cpu_of(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return ((uint64_t)usage.ru_utime.tv_sec + (uint64_t)usage.ru_stime.tv_sec) * 1000000000u +
	       ((uint64_t)usage.ru_utime.tv_usec + (uint64_t)usage.ru_stime.tv_usec) * 1000u;
}

static inline int ascending(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* Prints what C# reads: wall and processor time, then each time in ascending order. */
static inline void report(uint64_t *times, size_t count, uint64_t wall, uint64_t cpu)
{
	qsort(times, count, sizeof(*times), ascending);
	printf("%llu %llu\n", (unsigned long long)wall, (unsigned long long)cpu);
	for (size_t i = 0; i < count; i++)
		printf("%llu\n", (unsigned long long)times[i]);
}

/* Ends the program with the reason. */
static inline void die(const char *what)
{
	perror(what);
	exit(1);
}

#endif
