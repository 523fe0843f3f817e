/*
 * A vhost-user back-end in C for the same device as virtio-userd's: what the rings and the machine allow without .NET.
 * It speaks as much of the protocol as the project's own front-end uses.
 *
 *   backend --socket-path=PATH
 *
 * Writes "Listening on PATH" to standard error when it does, and serves one front-end after the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "message.h"
#include "user_device.h"

#define VERSION_1 (1ull << 32)
#define PROTOCOL_FEATURES (1ull << 30)
#define EVENT_INDEX (1ull << 29)
/* MQ, REPLY_ACK, BACKEND_REQ, CONFIG, SHMEM */
#define OFFERED_PROTOCOL_FEATURES (1ull << 0 | 1ull << 3 | 1ull << 5 | 1ull << 9 | 1ull << 22)
#define NO_DESCRIPTOR 0x100u

static struct virtqueue queues[QUEUES];
static struct memory memory;
static int arena, requests_channel = -1, wake;
static bool event_index, arena_mapped;
static pthread_t worker;
static bool worker_runs;
static atomic_bool worker_stops;

static void drain(int fd)
{
	uint64_t value;

	if (read(fd, &value, sizeof(value)) < 0 && errno != EAGAIN)
		die("read eventfd");
}

static void *work(void *unused)
{
	while (!atomic_load(&worker_stops)) {
		int queue = work_on_pings(&queues[PING], &queues[EVENT]);
		struct pollfd ready[] = { { queues[queue].kick, POLLIN, 0 }, { wake, POLLIN, 0 } };

		if (poll(ready, 2, -1) < 0)
			die("poll");
		if (ready[0].revents & POLLIN)
			drain(ready[0].fd);
	}
	return unused;
}

static void stop_worker(void)
{
	uint64_t one = 1;

	if (!worker_runs)
		return;
	atomic_store(&worker_stops, true);
	if (write(wake, &one, sizeof(one)) < 0)
		die("wake");
	pthread_join(worker, NULL);
	drain(wake);
	worker_runs = false;
}

static void start_worker(void)
{
	if (worker_runs || !queues[PING].enabled || !queues[EVENT].enabled)
		return;
	atomic_store(&worker_stops, false);
	if (pthread_create(&worker, NULL, work, NULL) != 0)
		die("pthread_create");
	worker_runs = true;
}

/* Where the rings are in this process; also after the memory has changed. */
static void place_rings(void)
{
	for (struct virtqueue *queue = queues; queue < queues + QUEUES; queue++) {
		if (!queue->enabled)
			continue;
		queue->memory = &memory;
		queue->event_index = event_index;
		queue->descriptors = at_user_address(&memory, queue->user_address[0], 16ull * queue->size);
		queue->available = at_user_address(&memory, queue->user_address[1], 6 + 2ull * queue->size);
		queue->used = at_user_address(&memory, queue->user_address[2], 6 + 8ull * queue->size);
		if (!queue->descriptors || !queue->available || !queue->used)
			die("a ring lies outside of the memory");
	}
}

static void set_memory(const struct message *message, const int *fds, int fd_count)
{
	stop_worker();
	for (unsigned int i = 0; i < memory.count; i++)
		munmap(memory.regions[i].mapping, memory.regions[i].mapping_length);
	memory.count = message->memory.count;
	for (unsigned int i = 0; i < memory.count && (int)i < fd_count; i++) {
		struct region *region = &memory.regions[i];
		uint64_t offset = message->memory.regions[i].offset;

		region->guest_address = message->memory.regions[i].guest;
		region->user_address = message->memory.regions[i].user;
		region->length = message->memory.regions[i].length;
		region->mapping_length = region->length + offset;
		region->mapping = mmap(NULL, region->mapping_length, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
		if (region->mapping == MAP_FAILED)
			die("mmap");
		region->bytes = (uint8_t *)region->mapping + offset;
		close(fds[i]);
	}
	place_rings();
	start_worker();
}

static void map_arena(void)
{
	struct message message = { .request = SHMEM_MAP, .flags = 1, .length = sizeof(message.map) };

	if (arena_mapped || requests_channel < 0)
		return;
	message.map.region = 0;
	message.map.file_offset = message.map.region_offset = 0;
	message.map.length = ARENA_LENGTH;
	message.map.flags = 1;
	send_message(requests_channel, &message, arena);
	arena_mapped = true;
}

static void enable(unsigned int index, bool enabled)
{
	stop_worker();
	queues[index].enabled = enabled;
	place_rings();
	start_worker();
	if (index == CONFIG_TX && enabled)
		map_arena();
	if (queues[CONFIG_TX].enabled && queues[CONFIG_RX].enabled)
		work_on_config(&queues[CONFIG_TX], &queues[CONFIG_RX]);
}

static void replace(int *old, int fd)
{
	stop_worker();
	if (*old >= 0)
		close(*old);
	*old = fd;
	start_worker();
}

/* Returns true if the message is to be sent back as its own answer. */
static bool handle(struct message *message, const int *fds, int fd_count)
{
	unsigned int index = message->state.index & 0xff;
	struct virtqueue *queue = &queues[index % QUEUES];
	int fd = fd_count > 0 ? fds[0] : -1;

	switch (message->request) {
	case GET_FEATURES:
		message->number = VERSION_1 | PROTOCOL_FEATURES | EVENT_INDEX;
		break;
	case GET_PROTOCOL_FEATURES:
		message->number = OFFERED_PROTOCOL_FEATURES;
		break;
	case GET_QUEUE_NUM:
		message->number = QUEUES;
		break;
	case GET_CONFIG:
		return true;
	case GET_SHMEM_CONFIG:
		message->shared.count = 1;
		message->shared.padding = 0;
		message->shared.lengths[0] = ARENA_LENGTH;
		message->length = 16;
		return true;
	case GET_VRING_BASE:
		enable(index % QUEUES, false);
		message->state.number = queue->next_available;
		return true;
	case SET_FEATURES:
		event_index = message->number & EVENT_INDEX;
		return false;
	case SET_MEM_TABLE:
		set_memory(message, fds, fd_count);
		return false;
	case SET_VRING_NUM:
		queue->size = (uint16_t)message->state.number;
		return false;
	case SET_VRING_BASE:
		queue->next_available = queue->next_used = queue->called = (uint16_t)message->state.number;
		return false;
	case SET_VRING_ADDR:
		queue->user_address[0] = message->address.descriptors;
		queue->user_address[1] = message->address.available;
		queue->user_address[2] = message->address.used;
		return false;
	case SET_VRING_KICK:
		replace(&queue->kick, message->number & NO_DESCRIPTOR ? -1 : fd);
		return false;
	case SET_VRING_CALL:
		replace(&queue->call, message->number & NO_DESCRIPTOR ? -1 : fd);
		return false;
	case SET_VRING_ENABLE:
		enable(index % QUEUES, message->state.number);
		return false;
	case SET_BACKEND_REQ_FD:
		replace(&requests_channel, fd);
		return false;
	default:
		return false;
	}
	message->length = sizeof(message->number);
	return true;
}

static void answer(int socket, struct message *message, const int *fds, int fd_count)
{
	bool acknowledge = message->flags & FLAG_NEED_REPLY;

	if (!handle(message, fds, fd_count)) {
		if (!acknowledge)
			return;
		message->number = 0;
		message->length = sizeof(message->number);
	}
	message->flags = FLAG_REPLY;
	send_message(socket, message, -1);
}

static void serve(int socket)
{
	for (;;) {
		struct pollfd ready[] = {
			{ socket, POLLIN, 0 }, { queues[CONFIG_TX].kick, POLLIN, 0 }, { queues[CONFIG_RX].kick, POLLIN, 0 },
		};

		if (poll(ready, 3, -1) < 0)
			die("poll");
		if (ready[0].revents) {
			struct message message;
			int fds[8], fd_count;

			if (!receive(socket, &message, fds, &fd_count))
				return;
			answer(socket, &message, fds, fd_count);
			continue; /* it may have replaced the kicks */
		}
		for (int i = 1; i <= 2; i++)
			if (ready[i].revents & POLLIN)
				drain(ready[i].fd);
		if (queues[CONFIG_TX].enabled && queues[CONFIG_RX].enabled)
			work_on_config(&queues[CONFIG_TX], &queues[CONFIG_RX]);
	}
}

int main(int argc, char **argv)
{
	static const char option[] = "--socket-path=";
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (argc != 2 || strncmp(argv[1], option, sizeof(option) - 1) != 0) {
		fprintf(stderr, "usage: backend --socket-path=PATH\n");
		return 2;
	}
	strncpy(address.sun_path, argv[1] + sizeof(option) - 1, sizeof(address.sun_path) - 1);
	arena = memfd_create("benchmark-arena", MFD_CLOEXEC);
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (arena < 0 || ftruncate(arena, ARENA_LENGTH) != 0 || wake < 0 ||
	    bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listener, 1) != 0)
		die(address.sun_path);
	fprintf(stderr, "Listening on %s\n", address.sun_path);
	for (;;) {
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0)
			die("accept");
		for (int i = 0; i < QUEUES; i++)
			queues[i] = (struct virtqueue){ .kick = -1, .call = -1 };
		arena_mapped = false;
		serve(connection);
		stop_worker();
		for (int i = 0; i < QUEUES; i++) {
			queues[i].enabled = false;
			replace(&queues[i].kick, -1);
			replace(&queues[i].call, -1);
		}
		replace(&requests_channel, -1);
		close(connection);
	}
}
