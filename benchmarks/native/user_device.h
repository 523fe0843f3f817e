/* The virtio-user device of the C back-end: instances, memory, pings. docs/protocol.md has the messages. */
#ifndef BENCHMARKS_USER_DEVICE_H
#define BENCHMARKS_USER_DEVICE_H

#include "virtqueue.h"

#define ARENA_LENGTH (1ull << 30)

#define VENDOR 0xbe7c
#define ECHO_DEVICE 1
#define SPIN_DEVICE 32
#define VERSION 1

/* In the metadata for the spinning device: never answer. */
#define HANG (1ull << 32)

struct config_message {
	uint32_t operation, device_count, vendors[32], devices[32], versions[32];
	uint64_t instance, shm_id, shm_offset, shm_size;
	uint32_t shm_flags, error;
	uint64_t tag;
	uint8_t reason[72];
} __attribute__((packed));

struct ping_message {
	uint64_t instance, metadata, shm_id, shm_offset, shm_size;
	uint32_t events;
} __attribute__((packed));

struct event_message {
	uint64_t instance;
	uint32_t revents;
} __attribute__((packed));

_Static_assert(sizeof(struct config_message) == 512, "config message");
_Static_assert(sizeof(struct ping_message) == 44, "ping message");
_Static_assert(sizeof(struct event_message) == 12, "event message");

enum { ENUMERATE, CREATE, DESTROY, ALLOCATE, FREE, EXPORT, IMPORT };

enum { CONFIG_TX, CONFIG_RX, PING, EVENT, QUEUES };

/* Answers config requests as long as there are requests, and room for replies. */
void work_on_config(struct virtqueue *requests, struct virtqueue *replies);

/*
 * Works on pings until none is left, or until an answer has no buffer. Returns the queue whose kick is to be waited
 * for.
 */
int work_on_pings(struct virtqueue *pings, struct virtqueue *events);

#endif
