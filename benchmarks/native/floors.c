/*
 * What the machine itself takes for a round trip: two processes that bounce a pair of eventfds, two threads that bounce
 * a cache line.
 *
 *   floors eventfd PROCESSOR COUNT | floors cacheline PROCESSOR COUNT
 *
 * PROCESSOR is the one that the second process is bound to, or "any" to let it run where the first one may.
 *
 * Prints the nanoseconds of each round trip in ascending order, one a line, after a first line with what all of them
 * took: wall time and processor time of both sides, in nanoseconds.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "timing.h"

/* Round trips before the first one that counts. */
#define WARM_UP 1000

static void bump(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		die("write");
}

static void await(int fd)
{
	uint64_t value;

	if (read(fd, &value, sizeof(value)) != sizeof(value))
		die("read");
}

static void bind_to(const char *processor)
{
	cpu_set_t set;

	if (strcmp(processor, "any") == 0)
		return;
	CPU_ZERO(&set);
	CPU_SET(strtoul(processor, NULL, 10), &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		die(processor);
}

static void bounce_eventfds(const char *processor, uint64_t *times, size_t count)
{
	int there = eventfd(0, EFD_CLOEXEC), back = eventfd(0, EFD_CLOEXEC);
	uint64_t began = 0, before = 0, cpu = 0, wall;
	pid_t child;

	if (there < 0 || back < 0)
		die("eventfd");
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		bind_to(processor);
		for (size_t i = 0; i < count + WARM_UP; i++) {
			await(there);
			bump(back);
		}
		_exit(0);
	}
	for (size_t i = 0; i < count + WARM_UP; i++) {
		if (i == WARM_UP) {
			cpu = cpu_of(RUSAGE_SELF);
			began = before = nanoseconds(CLOCK_MONOTONIC);
		}
		bump(there);
		await(back);
		if (i >= WARM_UP)
			times[i - WARM_UP] = lap(&before);
	}
	wall = before - began;
	cpu = cpu_of(RUSAGE_SELF) - cpu;
	waitpid(child, NULL, 0);
	report(times, count, wall, cpu + cpu_of(RUSAGE_CHILDREN));
}

/* One line for each direction, as two rings would have. */
static struct {
	_Alignas(128) _Atomic uint64_t there;
	_Alignas(128) _Atomic uint64_t back;
} lines;

static void await_line(_Atomic uint64_t *line, uint64_t value)
{
	while (atomic_load_explicit(line, memory_order_acquire) != value)
		__builtin_ia32_pause();
}

struct answerer {
	const char *processor;
	size_t count;
};

static void *answer_lines(void *argument)
{
	const struct answerer *answerer = argument;

	bind_to(answerer->processor);
	for (uint64_t i = 1; i <= answerer->count + WARM_UP; i++) {
		await_line(&lines.there, i);
		atomic_store_explicit(&lines.back, i, memory_order_release);
	}
	return NULL;
}

static void bounce_cache_line(const char *processor, uint64_t *times, size_t count)
{
	struct answerer answerer = { processor, count };
	uint64_t began = 0, before = 0, cpu = 0;
	pthread_t thread;

	if (pthread_create(&thread, NULL, answer_lines, &answerer) != 0)
		die("pthread_create");
	for (uint64_t i = 1; i <= count + WARM_UP; i++) {
		if (i == WARM_UP + 1) {
			cpu = cpu_of(RUSAGE_SELF);
			began = before = nanoseconds(CLOCK_MONOTONIC);
		}
		atomic_store_explicit(&lines.there, i, memory_order_release);
		await_line(&lines.back, i);
		if (i > WARM_UP)
			times[i - WARM_UP - 1] = lap(&before);
	}
	cpu = cpu_of(RUSAGE_SELF) - cpu;
	pthread_join(thread, NULL);
	report(times, count, before - began, cpu);
}

int main(int argc, char **argv)
{
	size_t count = argc > 2 ? strtoul(argv[argc - 1], NULL, 10) : 0;
	uint64_t *times = calloc(count ? count : 1, sizeof(*times));

	if (!times)
		die("calloc");
	if (count && argc == 4 && strcmp(argv[1], "eventfd") == 0) {
		bounce_eventfds(argv[2], times, count);
	} else if (count && argc == 4 && strcmp(argv[1], "cacheline") == 0) {
		bounce_cache_line(argv[2], times, count);
	} else {
		fprintf(stderr, "usage: floors eventfd PROCESSOR COUNT | floors cacheline PROCESSOR COUNT\n");
		return 2;
	}
	free(times);
	return 0;
}
