/* The messages of vhost-user, as far as the C back-end speaks them, and their way through a socket. */
#ifndef BENCHMARKS_MESSAGE_H
#define BENCHMARKS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "timing.h"

#define FLAG_REPLY 5u
#define FLAG_NEED_REPLY 8u

enum {
	GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10, GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, SET_VRING_ERR = 14,
	GET_PROTOCOL_FEATURES = 15, SET_PROTOCOL_FEATURES = 16, GET_QUEUE_NUM = 17, SET_VRING_ENABLE = 18,
	SET_BACKEND_REQ_FD = 21, GET_CONFIG = 24, GET_SHMEM_CONFIG = 44, SHMEM_MAP = 9,
};

struct message {
	uint32_t request, flags, length;
	union {
		uint8_t bytes[512];
		uint64_t number;
		struct { uint32_t index, number; } state;
		struct { uint32_t index, flags; uint64_t descriptors, used, available, log; } address;
		struct { uint32_t count, padding; struct { uint64_t guest, length, user, offset; } regions[8]; } memory;
		struct { uint32_t count, padding; uint64_t lengths[2]; } shared;
		struct { uint64_t region, file_offset, region_offset, length, flags; } map;
	};
} __attribute__((packed));

#define HEADER_LENGTH offsetof(struct message, bytes)

/* Sends a message, with a descriptor if fd is not negative. */
void send_message(int socket, struct message *message, int fd);

/* Receives a message and at most 8 descriptors. Returns false at the end of the connection. */
bool receive(int socket, struct message *message, int *fds, int *fd_count);

#endif
