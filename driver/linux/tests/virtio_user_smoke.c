// SPDX-License-Identifier: GPL-2.0
/*
 * A plain program that goes through the operations of a virtio-user file with
 * nothing but the uapi header, and says what held as TAP lines.
 *
 *	virtio_user_smoke NODE [METADATA]
 *
 * NODE is a device that answers pings of METADATA (0 without it) which name
 * memory; what it answers does not matter, but it must not fail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../uapi/virtio_user.h"

#define SIZE 10000
#define ROUNDED 12288
#define TIMEOUT_MS 30000

static int count, failed;
static sigjmp_buf fault;
/* An address that is nobody's, and that the compiler does not know. */
static volatile uintptr_t nowhere;

static void ok(int held, const char *what)
{
	count++;
	failed += !held;
	printf("%sok %d - %s\n", held ? "" : "not ", count, what);
	if (!held)
		printf("# errno %d: %s\n", errno, strerror(errno));
	fflush(stdout);
}

static int fails(int ret, int error)
{
	return ret == -1 && errno == error;
}

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* Does touching the byte raise SIGBUS? */
static int faults(volatile uint8_t *byte)
{
	int sig = sigsetjmp(fault, 1);

	if (!sig)
		(void)*byte;
	return sig == SIGBUS;
}

static int all_zero(const uint8_t *bytes, size_t size)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, size - 1);
}

static int readable(int fd, int timeout)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, timeout) == 1 && poll_fd.revents & POLLIN;
}

static void test_errors(int fd)
{
	struct virtio_user_ping ping = {.wait_us = 1};
	struct virtio_user_shm shm = {.size = 0};
	uint8_t few[3];

	ok(fails(ioctl(fd, _IO(VIRTIO_USER_IOC_MAGIC, 99)), ENOTTY),
	   "an unknown ioctl is ENOTTY");
	ok(fails(ioctl(fd, _IOW(VIRTIO_USER_IOC_MAGIC, 0, uint64_t)), ENOTTY),
	   "a PING of another size is ENOTTY");
	ok(fails(ioctl(fd, VIRTIO_USER_PING, &ping), EINVAL),
	   "a PING that waits for no answer is EINVAL");
	ping.events = 1;
	ok(fails(write(fd, &ping, sizeof(ping)), EINVAL),
	   "a write of a PING that waits is EINVAL");
	ping.wait_us = VIRTIO_USER_PING_WAIT_MAX + 1;
	ok(fails(ioctl(fd, VIRTIO_USER_PING, &ping), EINVAL),
	   "a PING that waits too long is EINVAL");
	ok(fails(ioctl(fd, VIRTIO_USER_PING, NULL), EFAULT),
	   "a PING from nowhere is EFAULT");
	ok(fails(ioctl(fd, VIRTIO_USER_ALLOC, NULL), EFAULT),
	   "an ALLOC from nowhere is EFAULT");
	ok(fails(write(fd, (void *)nowhere, sizeof(ping)), EFAULT),
	   "a write from nowhere is EFAULT");
	ok(fails(ioctl(fd, VIRTIO_USER_ALLOC, &shm), EINVAL),
	   "ALLOC of nothing is EINVAL");
	shm.size = SIZE;
	shm.flags = 1;
	ok(fails(ioctl(fd, VIRTIO_USER_ALLOC, &shm), EINVAL),
	   "ALLOC with flags is EINVAL");
	shm.flags = 0;
	shm.size = UINT64_MAX;
	ok(fails(ioctl(fd, VIRTIO_USER_ALLOC, &shm), ENOMEM),
	   "ALLOC of everything is ENOMEM");
	shm.shm_id = UINT64_MAX;
	ok(fails(ioctl(fd, VIRTIO_USER_FREE, &shm), ENOENT),
	   "FREE of an object not held is ENOENT");
	ok(fails(ioctl(fd, VIRTIO_USER_EXPORT, &shm), ENOENT),
	   "EXPORT of an object not held is ENOENT");
	ok(fails(ioctl(fd, VIRTIO_USER_IMPORT, &shm), ENOENT),
	   "IMPORT of an unknown object is ENOENT");
	ok(fails(write(fd, &ping, 0), EINVAL), "an empty write is EINVAL");
	ok(fails(write(fd, &ping, sizeof(ping) - 1), EINVAL),
	   "a write of half a structure is EINVAL");
	ok(fails(read(fd, few, sizeof(few)), EINVAL),
	   "a read of less than an event is EINVAL");
	ok(fails(lseek(fd, 0, SEEK_SET), ESPIPE), "there is no position");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	ok(fails(read(fd, &shm, sizeof(shm)), EAGAIN),
	   "a non-blocking read without an event is EAGAIN");
	fcntl(fd, F_SETFL, 0);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* The signal comes again and again: one of them finds the read waiting. */
static void test_signal(int fd)
{
	const struct itimerval often = {{0, 10000}, {0, 10000}}, never = {0};
	struct sigaction action = {.sa_handler = on_alarm};
	uint32_t revents;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	ok(fails(read(fd, &revents, sizeof(revents)), EINTR),
	   "a signal ends a read that waits with EINTR");
	setitimer(ITIMER_REAL, &never, NULL);
}

/* With the answer in the same call, or later: that is up to the host's speed. */
static void test_wait(int fd, struct virtio_user_ping ping)
{
	uint32_t revents = VIRTIO_USER_EVENT_OWN;
	int ret;

	ping.wait_us = VIRTIO_USER_PING_WAIT_MAX;
	ret = ioctl(fd, VIRTIO_USER_PING, &ping);
	ok(ret == 1 || ret == 0, "PING with a wait");
	if (ret == 1)
		revents = ping.events;
	else if (read(fd, &revents, sizeof(revents)) != sizeof(revents))
		revents = VIRTIO_USER_EVENT_OWN;
	ok(!(revents & (VIRTIO_USER_EVENT_FAILED | VIRTIO_USER_EVENT_OWN)),
	   "gets its answer");
	ok(!readable(fd, 0), "once");
}

/* The answer could not be told there, so the ping is not sent. */
static void test_read_only(int fd, const struct virtio_user_ping *ping)
{
	struct virtio_user_ping *copy;

	copy = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ok(copy != MAP_FAILED, "a page");
	*copy = *ping;
	copy->wait_us = VIRTIO_USER_PING_WAIT_MAX;
	mprotect(copy, 4096, PROT_READ);
	ok(fails(ioctl(fd, VIRTIO_USER_PING, copy), EFAULT),
	   "a PING that waits, from memory that cannot be written, is EFAULT");
	munmap(copy, 4096);
}

static void test_pings(int fd, const struct virtio_user_shm *shm,
		       uint64_t metadata)
{
	struct virtio_user_ping pings[5];
	uint32_t revents[8] = {0};
	size_t got = 0;
	ssize_t ret;
	int i;

	for (i = 0; i < 5; i++) {
		pings[i] = (struct virtio_user_ping){
			.metadata = metadata,
			.shm_id = shm->shm_id,
			.shm_size = SIZE,
			.events = 1,
		};
	}
	ok(ioctl(fd, VIRTIO_USER_PING, &pings[0]) == 0, "PING");
	ok(readable(fd, TIMEOUT_MS), "poll says when the answer is there");
	ok(fails(read(fd, (void *)nowhere, sizeof(revents)), EFAULT),
	   "a read to nowhere is EFAULT");
	ok(read(fd, revents, sizeof(revents)) == sizeof(revents[0]),
	   "read returns one event, which that did not cost");
	ok(!(revents[0] & VIRTIO_USER_EVENT_FAILED), "the ping did not fail");

	test_read_only(fd, &pings[0]);
	test_wait(fd, pings[0]);

	/* One of the five names bytes outside of the object. */
	pings[2].shm_offset = shm->size;
	ok(write(fd, pings, sizeof(pings)) == sizeof(pings),
	   "a write of five pings");
	while (got < sizeof(pings) / sizeof(pings[0]) * sizeof(revents[0])) {
		ret = read(fd, (char *)revents + got, sizeof(revents) - got);
		if (ret <= 0)
			break;
		got += ret;
	}
	ok(got == 5 * sizeof(revents[0]), "five answers");
	for (i = 0; i < 5; i++) {
		if (!!(revents[i] & VIRTIO_USER_EVENT_FAILED) != (i == 2))
			break;
	}
	ok(i == 5, "in the order of the pings, and only the bad one failed");
	ok(!readable(fd, 0), "and nothing more");
}

static void test_memory(int fd, const char *node, uint64_t metadata)
{
	struct virtio_user_shm shm = {.size = SIZE}, other;
	uint8_t *all, *page, *theirs;
	int fd2, status;
	pid_t child;

	ok(ioctl(fd, VIRTIO_USER_ALLOC, &shm) == 0, "ALLOC");
	ok(shm.shm_id && shm.size == ROUNDED && !(shm.offset % 4096),
	   "the size is rounded up to whole pages");
	ok(mmap(NULL, ROUNDED, PROT_READ, MAP_PRIVATE, fd, shm.offset) ==
			   MAP_FAILED &&
		   errno == EINVAL,
	   "a private mapping is EINVAL");
	ok(mmap(NULL, ROUNDED + 4096, PROT_READ, MAP_SHARED, fd, shm.offset) ==
			   MAP_FAILED &&
		   errno == EINVAL,
	   "a mapping beyond the object is EINVAL");
	all = mmap(NULL, ROUNDED, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   shm.offset);
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, shm.offset + 4096);
	ok(all != MAP_FAILED && page != MAP_FAILED,
	   "mmap of all, and of a part");
	ok(all_zero(all, ROUNDED), "new memory is zero");
	memset(all, 'v', SIZE);
	ok(page[0] == 'v' && page[4095] == 'v', "both show the same bytes");
	ok(mremap(page, 4096, ROUNDED, MREMAP_MAYMOVE) == MAP_FAILED,
	   "a mapping cannot grow");

	test_pings(fd, &shm, metadata);

	fd2 = open(node, O_RDWR);
	ok(fd2 >= 0, "a second instance");
	other = (struct virtio_user_shm){.shm_id = shm.shm_id};
	ok(fails(ioctl(fd2, VIRTIO_USER_IMPORT, &other), ENOENT),
	   "IMPORT of an object that is not exported is ENOENT");
	ok(mmap(NULL, ROUNDED, PROT_READ, MAP_SHARED, fd2, shm.offset) ==
			   MAP_FAILED &&
		   errno == EINVAL,
	   "a mapping of what another file holds is EINVAL");
	ok(ioctl(fd, VIRTIO_USER_EXPORT, &shm) == 0, "EXPORT");
	ok(ioctl(fd2, VIRTIO_USER_IMPORT, &other) == 0, "IMPORT");
	ok(other.offset == shm.offset && other.size == shm.size,
	   "to both it is the same object");
	theirs = mmap(NULL, ROUNDED, PROT_READ | PROT_WRITE, MAP_SHARED, fd2,
		      other.offset);
	ok(theirs != MAP_FAILED && theirs[0] == all[0], "with the same bytes");

	ok(ioctl(fd, VIRTIO_USER_FREE, &shm) == 0, "FREE");
	ok(faults(all) && faults(page), "mappings of freed memory fault");
	ok(!faults(theirs) && theirs[1] == 'v',
	   "but not those of the instance that imported it");

	child = fork();
	if (!child)
		_exit(!(theirs[1] == 'v'));
	ok(child > 0 && waitpid(child, &status, 0) == child && !status,
	   "a child sees the mapping");
	ok(close(fd2) == 0 && faults(theirs),
	   "mappings fault after the last close");
}

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = on_fault};
	uint64_t metadata = 0;
	struct stat status;
	int fd;

	if (argc < 2) {
		fprintf(stderr, "usage: %s NODE [METADATA]\n", argv[0]);
		return 2;
	}
	if (argc > 2)
		metadata = strtoull(argv[2], NULL, 0);
	sigaction(SIGBUS, &action, NULL);

	ok(stat(argv[1], &status) == 0 && S_ISCHR(status.st_mode) &&
		   (status.st_mode & 0777) == 0600,
	   "the node is a character device of mode 0600");
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	ok(fd >= 0, "open");
	if (fd >= 0) {
		test_errors(fd);
		test_signal(fd);
		test_memory(fd, argv[1], metadata);
		ok(close(fd) == 0, "close");
	}
	printf("1..%d\n", count);
	return failed != 0;
}
