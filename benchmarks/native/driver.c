/*
 * The driver's side in C, without a VM: what the guest library does, by the shortest way. With the back-end in C at
 * the other end it shows what the rings themselves take.
 *
 *   driver IN-FLIGHT PATH COUNT
 *
 * Sends COUNT batches of IN-FLIGHT pings to the back-end that listens on PATH, and waits for the answers of each.
 * Prints the same as floors.c; a time is that of a batch.
 *
 *   driver hostile PATH COUNT
 *
 * Leaves COUNT callbacks hanging and COUNT times a call descriptor whose write blocks; says so and stays connected
 * until it is ended. Ends by itself if it is not served.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"
#include "user_device.h"

#define WARM_UP 1000
#define SIZE 128
#define BUFFER 512
#define GUEST_ADDRESS 0x100000ull
#define RING_LENGTH 4096
#define RAM_LENGTH (QUEUES * (2 * RING_LENGTH + SIZE * BUFFER))
/* How long a hostile driver waits for its instances, and how long for each request after them. */
#define PATIENCE_SECONDS 5
#define REPLY_MILLISECONDS 10
#define FULL_EVENTFD (UINT64_MAX - 1)
#define FEATURES (1ull << 32 | 1ull << 30 | 1ull << 29)

/* The driver's side of a queue: the buffer of descriptor n is always the n-th one. */
struct ring {
	struct descriptor *descriptors;
	_Atomic uint16_t *available, *used;
	uint8_t *buffers;
	uint16_t added, kicked, reclaimed;
	int kick, call;
};

static uint8_t *ram;
static struct ring rings[QUEUES];

static void add(struct ring *ring, uint16_t index, uint32_t length, bool writable)
{
	ring->descriptors[index].length = length;
	ring->descriptors[index].flags = writable ? DESCRIPTOR_WRITE : 0;
	atomic_store_explicit(&ring->available[2 + ring->added++ % SIZE], index, memory_order_relaxed);
}

static void kick_if_wanted(struct ring *ring)
{
	uint64_t one = 1;
	uint16_t before = ring->kicked, now = ring->added;

	atomic_store_explicit(&ring->available[1], now, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	ring->kicked = now;
	if ((uint16_t)(now - atomic_load_explicit(&ring->used[2 + 4 * SIZE], memory_order_relaxed) - 1) < (uint16_t)(now - before) &&
	    write(ring->kick, &one, sizeof(one)) < 0)
		die("kick");
}

static bool reclaim(struct ring *ring, uint16_t *index)
{
	if (atomic_load_explicit(&ring->used[1], memory_order_acquire) == ring->reclaimed)
		return false;
	*index = (uint16_t)((struct used_element *)(void *)(ring->used + 2))[ring->reclaimed++ % SIZE].id % SIZE;
	return true;
}

/* Takes the next entry back; sleeps until there is one. */
static uint16_t await_entry(struct ring *ring)
{
	uint64_t value;
	uint16_t index;

	while (!reclaim(ring, &index)) {
		atomic_store_explicit(&ring->available[2 + SIZE], ring->reclaimed, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		while (atomic_load_explicit(&ring->used[1], memory_order_acquire) == ring->reclaimed &&
		       read(ring->call, &value, sizeof(value)) < 0) {
			struct pollfd ready = { ring->call, POLLIN, 0 };

			/* The back-end may have made it non-blocking: the file is shared. */
			if (errno != EAGAIN || poll(&ready, 1, -1) < 0)
				die("call");
		}
	}
	return index;
}

static void tell(int socket, uint32_t request, const void *payload, uint32_t length, int fd)
{
	struct message message = { .request = request, .flags = 1, .length = length };

	memcpy(message.bytes, payload, length);
	send_message(socket, &message, fd);
}

static void set_up_ring(int socket, uint32_t index, uint8_t *start)
{
	struct ring *ring = &rings[index];
	struct { uint32_t index, number; } size = { index, SIZE }, base = { index, 0 }, enable = { index, 1 };
	struct { uint32_t index, flags; uint64_t descriptors, used, available, log; } address = {
		.index = index,
		.descriptors = (uint64_t)(uintptr_t)start,
		.available = (uint64_t)(uintptr_t)start + 16 * SIZE,
		.used = (uint64_t)(uintptr_t)start + RING_LENGTH,
	};
	uint64_t number = index;

	ring->descriptors = (struct descriptor *)(void *)start;
	ring->available = (_Atomic uint16_t *)(void *)(start + 16 * SIZE);
	ring->used = (_Atomic uint16_t *)(void *)(start + RING_LENGTH);
	ring->buffers = start + 2 * RING_LENGTH;
	ring->kick = eventfd(0, EFD_CLOEXEC);
	ring->call = eventfd(0, EFD_CLOEXEC);
	for (uint64_t i = 0; i < SIZE; i++)
		ring->descriptors[i].address = GUEST_ADDRESS + (uint64_t)(ring->buffers - ram) + i * BUFFER;
	tell(socket, SET_VRING_NUM, &size, sizeof(size), -1);
	tell(socket, SET_VRING_BASE, &base, sizeof(base), -1);
	tell(socket, SET_VRING_ADDR, &address, sizeof(address), -1);
	tell(socket, SET_VRING_KICK, &number, sizeof(number), ring->kick);
	tell(socket, SET_VRING_CALL, &number, sizeof(number), ring->call);
	tell(socket, SET_VRING_ENABLE, &enable, sizeof(enable), -1);
}

static int start_device(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int socket_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int memory = memfd_create("benchmark-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint64_t features = FEATURES, protocol_features = 1;
	struct { uint32_t count, padding; uint64_t guest, length, user, offset; } table = { .count = 1, .guest = GUEST_ADDRESS, .length = RAM_LENGTH };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(socket_fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die(path);
	/* Sealed: a back-end need not fear that it shrinks. */
	if (memory < 0 || ftruncate(memory, RAM_LENGTH) != 0 || fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
		die("memory");
	ram = mmap(NULL, RAM_LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (ram == MAP_FAILED)
		die("mmap");
	table.user = (uint64_t)(uintptr_t)ram;
	tell(socket_fd, SET_OWNER, NULL, 0, -1);
	tell(socket_fd, SET_PROTOCOL_FEATURES, &protocol_features, sizeof(protocol_features), -1);
	tell(socket_fd, SET_FEATURES, &features, sizeof(features), -1);
	tell(socket_fd, SET_MEM_TABLE, &table, sizeof(table), memory);
	for (uint32_t i = 0; i < QUEUES; i++)
		set_up_ring(socket_fd, i, ram + i * (RAM_LENGTH / QUEUES));
	return socket_fd;
}

static uint64_t create_instance(uint32_t device)
{
	struct config_message *request = (void *)rings[CONFIG_TX].buffers, *reply = (void *)rings[CONFIG_RX].buffers;

	request->operation = 1;
	request->device_count = 1;
	request->vendors[0] = VENDOR;
	request->devices[0] = device;
	request->versions[0] = VERSION;
	add(&rings[CONFIG_RX], 0, sizeof(*reply), true);
	kick_if_wanted(&rings[CONFIG_RX]);
	add(&rings[CONFIG_TX], 0, sizeof(*request), false);
	kick_if_wanted(&rings[CONFIG_TX]);
	await_entry(&rings[CONFIG_RX]);
	if (reply->error || !reply->instance) {
		fprintf(stderr, "no instance: error %u\n", reply->error);
		exit(1);
	}
	return reply->instance;
}

static void run_batch(uint64_t instance, uint32_t in_flight)
{
	struct ring *pings = &rings[PING], *events = &rings[EVENT];
	uint16_t index;

	for (uint32_t i = 0; i < in_flight; i++) {
		/* Entries come back in order; only a back-end that answers before it gives them back lets this wait. */
		while ((uint16_t)(pings->added - pings->reclaimed) == SIZE)
			reclaim(pings, &index);
		struct ping_message *ping = (void *)(pings->buffers + pings->added % SIZE * BUFFER);

		*ping = (struct ping_message){ .instance = instance, .metadata = i, .events = 1 };
		add(pings, pings->added % SIZE, sizeof(*ping), false);
	}
	kick_if_wanted(pings);
	for (uint32_t i = 0; i < in_flight; i++) {
		index = await_entry(events);
		if (((struct event_message *)(void *)(events->buffers + index * BUFFER))->revents != i) {
			fprintf(stderr, "wrong answer\n");
			exit(1);
		}
		add(events, index, sizeof(struct event_message), true);
	}
	kick_if_wanted(events);
	while (reclaim(pings, &index))
		;
	/* No call for pings that come back: the next one is asked for when all numbers have gone round. */
	atomic_store_explicit(&pings->available[2 + SIZE], (uint16_t)(pings->reclaimed - 1), memory_order_relaxed);
}

static void give_up(int signal)
{
	static const char reason[] = "not served at once\n";
	ssize_t written = write(STDERR_FILENO, reason, sizeof(reason) - 1);

	_exit(signal == SIGALRM && written > 0 ? 1 : 2);
}

/* Waits until the back-end has done what it was told before. */
static void await_messages(int socket)
{
	struct message message;
	int fds[8], fd_count;

	tell(socket, GET_FEATURES, NULL, 0, -1);
	if (!receive(socket, &message, fds, &fd_count))
		die("features");
}

static void hang_callback(uint64_t instance)
{
	struct ring *pings = &rings[PING];
	uint16_t index = pings->added % SIZE;

	*(struct ping_message *)(void *)(pings->buffers + index * BUFFER) =
		(struct ping_message){ .instance = instance, .metadata = HANG, .events = 1 };
	add(pings, index, sizeof(struct ping_message), false);
	kick_if_wanted(pings);
}

/* Has the back-end write into a full eventfd. It may have made it non-blocking: the file is shared, so that is undone. */
static void block_call(int socket)
{
	struct ring *requests = &rings[CONFIG_TX], *replies = &rings[CONFIG_RX];
	uint64_t number = CONFIG_RX, full = FULL_EVENTFD;
	uint16_t index = requests->added % SIZE;
	int call = eventfd(0, EFD_CLOEXEC);

	if (call < 0 || write(call, &full, sizeof(full)) < 0)
		die("call");
	tell(socket, SET_VRING_CALL, &number, sizeof(number), call);
	await_messages(socket);
	if (fcntl(call, F_SETFL, 0) != 0)
		die("fcntl");
	*(struct config_message *)(void *)(requests->buffers + index * BUFFER) = (struct config_message){ .operation = ENUMERATE };
	atomic_store_explicit(&replies->available[2 + SIZE], replies->reclaimed, memory_order_relaxed);
	add(replies, index, sizeof(struct config_message), true);
	kick_if_wanted(replies);
	add(requests, index, sizeof(struct config_message), false);
	kick_if_wanted(requests);
	for (int i = 0; i < REPLY_MILLISECONDS && !reclaim(replies, &index); i++)
		poll(NULL, 0, 1);
}

static void be_hostile(const char *path, size_t count)
{
	int socket;
	pid_t child;

	signal(SIGALRM, give_up);
	alarm(PATIENCE_SECONDS);
	socket = start_device(path);
	for (size_t i = 0; i < count; i++)
		hang_callback(create_instance(SPIN_DEVICE));
	await_messages(socket);
	alarm(0);
	/* In a process of its own: a back-end that has had enough may end the connection. */
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		for (size_t i = 0; i < count; i++)
			block_call(socket);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	fprintf(stderr, "Listening on nothing.\n");
	pause();
}

int main(int argc, char **argv)
{
	bool hostile = argc == 4 && strcmp(argv[1], "hostile") == 0;
	uint32_t in_flight = argc == 4 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	size_t count = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;
	uint64_t *times = calloc(count ? count : 1, sizeof(*times));
	uint64_t instance, before = 0, began = 0, cpu = 0;

	if (hostile && count && count <= SIZE / 2) {
		be_hostile(argv[2], count);
		return 0;
	}
	if (!count || !in_flight || in_flight > SIZE / 2 || !times) {
		fprintf(stderr, "usage: driver IN-FLIGHT PATH COUNT | driver hostile PATH COUNT\n");
		return 2;
	}
	start_device(argv[2]);
	instance = create_instance(ECHO_DEVICE);
	for (uint16_t i = 0; i < SIZE; i++)
		add(&rings[EVENT], i, sizeof(struct event_message), true);
	kick_if_wanted(&rings[EVENT]);
	for (size_t i = 0; i < count + WARM_UP; i++) {
		if (i == WARM_UP) {
			cpu = cpu_of(RUSAGE_SELF);
			began = before = nanoseconds(CLOCK_MONOTONIC);
		}
		run_batch(instance, in_flight);
		if (i >= WARM_UP)
			times[i - WARM_UP] = lap(&before);
	}
	report(times, count, before - began, cpu_of(RUSAGE_SELF) - cpu);
	return 0;
}
