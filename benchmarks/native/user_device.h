/* The virtio-user device of the C back-end: instances, memory, pings. docs/protocol.md has the messages. */
#ifndef BENCHMARKS_USER_DEVICE_H
#define BENCHMARKS_USER_DEVICE_H

#include "virtqueue.h"

#define ARENA_LENGTH (1ull << 30)

enum { CONFIG_TX, CONFIG_RX, PING, EVENT, QUEUES };

/* Answers config requests as long as there are requests, and room for replies. */
void work_on_config(struct virtqueue *requests, struct virtqueue *replies);

/*
 * Works on pings until none is left, or until an answer has no buffer. Returns the queue whose kick is to be waited
 * for.
 */
int work_on_pings(struct virtqueue *pings, struct virtqueue *events);

#endif
