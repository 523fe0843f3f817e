/*
 * The device's side of a split virtqueue (virtio 1.2, section 2.7) with event indexes and one descriptor a chain, over
 * the memory that a front-end told.
 */
#ifndef BENCHMARKS_VIRTQUEUE_H
#define BENCHMARKS_VIRTQUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define DESCRIPTOR_NEXT 1
#define DESCRIPTOR_WRITE 2
#define DESCRIPTOR_INDIRECT 4

struct region {
	uint64_t guest_address, user_address, length;
	uint8_t *bytes;
	void *mapping;
	size_t mapping_length;
};

struct memory {
	struct region regions[8];
	unsigned int count;
};

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

struct used_element {
	uint32_t id, length;
};

struct virtqueue {
	const struct memory *memory;
	struct descriptor *descriptors;
	_Atomic uint16_t *available; /* flags, index, ring[size], used_event */
	_Atomic uint16_t *used;	     /* flags, index, elements[size], available_event */
	uint16_t size, next_available, next_used, called;
	int kick, call;
	bool event_index, enabled;
	uint64_t user_address[3];
};

static inline void *at_guest_address(const struct memory *memory, uint64_t address, uint64_t length)
{
	for (unsigned int i = 0; i < memory->count; i++) {
		const struct region *region = &memory->regions[i];
		uint64_t offset = address - region->guest_address;

		if (address >= region->guest_address && offset < region->length && length <= region->length - offset)
			return region->bytes + offset;
	}
	return NULL;
}

static inline void *at_user_address(const struct memory *memory, uint64_t address, uint64_t length)
{
	for (unsigned int i = 0; i < memory->count; i++) {
		const struct region *region = &memory->regions[i];
		uint64_t offset = address - region->user_address;

		if (address >= region->user_address && offset < region->length && length <= region->length - offset)
			return region->bytes + offset;
	}
	return NULL;
}

static inline struct used_element *used_elements(const struct virtqueue *queue)
{
	return (struct used_element *)(void *)(queue->used + 2);
}

/* How many chains wait. */
static inline uint16_t pending(const struct virtqueue *queue)
{
	uint16_t count = (uint16_t)(atomic_load_explicit(&queue->available[1], memory_order_acquire) - queue->next_available);

	return count <= queue->size ? count : 0;
}

/* Takes the next chain, which must be there. Returns its bytes, or NULL if it is not one buffer of the wanted kind. */
static inline void *take(struct virtqueue *queue, uint16_t *head, uint32_t length, bool writable)
{
	uint16_t slot = queue->next_available++ & (queue->size - 1);
	struct descriptor descriptor;

	*head = atomic_load_explicit(&queue->available[2 + slot], memory_order_relaxed) & (queue->size - 1);
	descriptor = queue->descriptors[*head];
	if ((descriptor.flags & (DESCRIPTOR_NEXT | DESCRIPTOR_INDIRECT)) || descriptor.length < length ||
	    !!(descriptor.flags & DESCRIPTOR_WRITE) != writable)
		return NULL;
	return at_guest_address(queue->memory, descriptor.address, descriptor.length);
}

/* Gives a chain back; the driver sees it after publish(). */
static inline void give_back(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	used_elements(queue)[queue->next_used++ & (queue->size - 1)] = (struct used_element){ head, written };
}

static inline void publish(struct virtqueue *queue)
{
	atomic_store_explicit(&queue->used[1], queue->next_used, memory_order_release);
}

/* Calls the driver if it wants to hear of what was published. */
static inline void call_if_wanted(struct virtqueue *queue)
{
	uint64_t one = 1;
	uint16_t before = queue->called, now = queue->next_used;
	bool wanted;

	if (before == now)
		return;
	atomic_thread_fence(memory_order_seq_cst);
	if (queue->event_index)
		wanted = (uint16_t)(now - atomic_load_explicit(&queue->available[2 + queue->size], memory_order_relaxed) - 1) <
			 (uint16_t)(now - before);
	else
		wanted = !(atomic_load_explicit(&queue->available[0], memory_order_relaxed) & 1);
	queue->called = now;
	if (wanted && queue->call >= 0 && write(queue->call, &one, sizeof(one)) < 0)
		queue->called = before;
}

/* Asks to be kicked for the next chain. Returns true if one has come meanwhile. */
static inline bool enable_kicks(struct virtqueue *queue)
{
	if (queue->event_index)
		atomic_store_explicit(queue->used + 2 + 4 * queue->size, queue->next_available, memory_order_relaxed);
	else
		atomic_store_explicit(queue->used, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	return pending(queue) != 0;
}

static inline void disable_kicks(struct virtqueue *queue)
{
	if (!queue->event_index)
		atomic_store_explicit(queue->used, 1, memory_order_relaxed);
}

#endif
