/* SPDX-License-Identifier: MIT */
/*
 * Holds bytes of the guest's objects for longer than a ping. What it is told stands in the metadata: operation (8 bits), slot
 * (8 bits), value (16 bits), number (32 bits).
 */
#include "virtio_user_plugin.h"

#include <pthread.h>

#define SLOTS 256

enum operation {
	HOLD = 1, /* keeps the bytes of the ping as a slot; answers whether they are where the ping has them */
	HOLD_BEHIND, /* keeps 'number' bytes that begin 'value' bytes behind the ping's first one: answers whether it may */
	HOLD_OF, /* keeps the bytes of the ping for another instance, 'number': answers whether it may */
	RELEASE, /* answers whether that went well */
	PEEK, /* answers with byte 'number' of the slot */
	POKE, /* sets it to the value */
	POKE_LATER, /* so does a thread, after WRITE; then it raises the event 'value' */
	WRITE,
	POKE_AT_END, /* so does on_destroy_instance of the slot's instance */
	HOLD_AT_END, /* on_destroy_instance holds the slot's bytes once more */
	ANSWER_OF_END, /* answers whether it could */
	CHURN, /* a thread holds and releases the bytes of the ping until the instance is gone */
	JOIN, /* waits for that thread */
	HOLD_WHEN_MADE, /* the next on_create_instance holds the bytes of the ping, and refuses the instance if 'value' is not 0 */
	ANSWER_WHEN_MADE, /* answers whether it could */
	PAGE_OF, /* answers with the number of the ping's first page */
	STAY, /* answers only after LEAVE */
	AWAIT_STAY, /* answers when a ping stays */
	LEAVE,
};

struct slot {
	uint64_t handle, phys_addr, size;
	unsigned char *bytes;
	uint32_t at;
	unsigned char value;
	bool pokes_at_end, holds_at_end;
	pthread_t thread;
};

static const struct virtio_user_host *host;
static struct slot slots[SLOTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool writes, stays, left;
static uint32_t answer_of_end, answer_when_made;
static uint64_t wanted_phys_addr, wanted_size;
static bool refuses;

static bool set(bool *what)
{
	pthread_mutex_lock(&lock);
	*what = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return true;
}

static bool await(const bool *what)
{
	pthread_mutex_lock(&lock);
	while (!*what)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return true;
}

void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap)
{
	(void)map;
	(void)unmap;
}

bool virtio_user_plugin_init(const struct virtio_user_host *given)
{
	host = given;
	return host->size >= sizeof(*host);
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = 0x5655;
	*device = 0x7e5d;
	*version = 1;
}

bool on_create_instance(uint64_t handle)
{
	bool refuse = refuses;

	if (wanted_size)
		answer_when_made = host->hold_memory(handle, wanted_phys_addr, wanted_size) ? 1 : 2;
	wanted_size = 0;
	refuses = false;
	return !refuse;
}

static void end(struct slot *slot)
{
	if (slot->pokes_at_end)
		slot->bytes[slot->at] = slot->value;
	if (slot->holds_at_end)
		answer_of_end = host->hold_memory(slot->handle, slot->phys_addr, slot->size) == slot->bytes ? 1 : 2;
	slot->pokes_at_end = slot->holds_at_end = false;
}

void on_destroy_instance(uint64_t handle)
{
	for (struct slot *slot = slots; slot < slots + SLOTS; slot++)
		if (slot->handle == handle)
			end(slot);
}

static void *poke_later(void *argument)
{
	struct slot *slot = argument;

	await(&writes);
	slot->bytes[slot->at] = slot->value;
	host->raise_event(slot->handle, slot->value);
	return NULL;
}

static bool release(const struct slot *slot)
{
	return host->release_memory(slot->handle, slot->phys_addr, slot->size);
}

/* Releases every other hold, and all when there are too many: so some are left when the instance ends. It touches no byte. */
static void *churn(void *argument)
{
	const struct slot *slot = argument;
	bool any = true;

	for (unsigned int i = 0; any; i++) {
		if (host->hold_memory(slot->handle, slot->phys_addr, slot->size)) {
			if (i % 2)
				release(slot);
			continue;
		}
		for (any = false; release(slot);)
			any = true;
	}
	return NULL;
}

static bool start(struct slot *slot, void *(*run)(void *))
{
	return pthread_create(&slot->thread, NULL, run, slot) == 0;
}

uint32_t on_instance_ping_sized(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint64_t size,
				uint32_t events)
{
	struct slot *slot = &slots[metadata >> 48 & 0xff];
	uint32_t value = metadata >> 32 & 0xffff;
	uint32_t number = (uint32_t)metadata;

	(void)events;
	switch ((enum operation)(metadata >> 56)) {
	case HOLD:
		*slot = (struct slot){ handle, phys_addr, size, .bytes = host->hold_memory(handle, phys_addr, size) };
		return slot->bytes && slot->bytes == host_ptr;
	case HOLD_BEHIND:
		return host->hold_memory(handle, phys_addr + value, number == UINT32_MAX ? UINT64_MAX : number) != NULL;
	case HOLD_OF:
		return host->hold_memory(number, phys_addr, size) != NULL;
	case RELEASE:
		return release(slot);
	case PEEK:
		return slot->bytes[number];
	case POKE:
		slot->bytes[number] = (unsigned char)value;
		return 1;
	case POKE_LATER:
		writes = false;
		/* fall through */
	case POKE_AT_END:
		slot->at = number;
		slot->value = (unsigned char)value;
		slot->pokes_at_end = metadata >> 56 == POKE_AT_END;
		return slot->pokes_at_end || start(slot, poke_later);
	case WRITE:
		return set(&writes);
	case HOLD_AT_END:
		slot->holds_at_end = true;
		return 1;
	case ANSWER_OF_END:
		return answer_of_end;
	case CHURN:
		*slot = (struct slot){ handle, phys_addr, size, .bytes = host_ptr };
		return start(slot, churn);
	case JOIN:
		return pthread_join(slot->thread, NULL) == 0;
	case HOLD_WHEN_MADE:
		wanted_phys_addr = phys_addr;
		wanted_size = size;
		refuses = value;
		return 1;
	case ANSWER_WHEN_MADE:
		return answer_when_made;
	case PAGE_OF:
		return (uint32_t)(phys_addr >> 12);
	case STAY:
		set(&stays);
		return await(&left);
	case AWAIT_STAY:
		return await(&stays);
	case LEAVE:
		return set(&left);
	}
	return 0;
}

/* Never called: the one with the size is there. */
uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	(void)handle, (void)metadata, (void)phys_addr, (void)host_ptr, (void)events;
	return 0;
}
