/* SPDX-License-Identifier: MIT */
/*
 * Answers pings when it is told to, by pings of other instances. What it is told stands in the metadata: operation (8 bits), slot
 * (8 bits), other slot (16 bits), number (32 bits). All but KEEP and the like are answered within the callback.
 */
#include "virtio_user_plugin.h"

#include <pthread.h>
#include <stddef.h>

_Static_assert(offsetof(struct virtio_user_host, raise_event) == 8, "the first version's members stay where they are");
_Static_assert(offsetof(struct virtio_user_host, get_instance_version) == 40,
	       "the first version's members stay where they are");
_Static_assert(offsetof(struct virtio_user_host, release_memory) == 56, "members are added at the end");

#define SLOTS 256

enum operation {
	KEEP = 1, /* is not answered, but kept as a slot */
	COMPLETE, /* completes the slot's ping with the number: answers whether it could */
	FAIL, /* the same with a failure */
	COMPLETE_FOR, /* completes the slot's ping in the name of the other slot's instance */
	COMPLETE_NUMBER, /* completes this many pings after the slot's, in the name of its instance: so none */
	AT_ONCE, /* completes itself twice: the second time must do nothing */
	FAIL_AT_ONCE, /* fails itself with the number */
	IN_CALLBACK, /* a thread completes it, and only then the callback returns */
	SOON, /* a thread completes it as soon as it can */
	PEEK, /* answers with byte 'number' of the slot's ping */
	POKE, /* sets that byte to the other slot's number */
	PAGE_OF, /* answers with the number of the ping's first page */
	LETS_GO, /* the end of this instance completes its open ping with the number */
	STAYS_ENDING, /* on_instance_ending of this instance waits for LEAVE */
	STAYS_DESTROYED, /* the end of this instance is over only with COMPLETE_DESTROY */
	AWAIT_KEPT, /* answers when the slot has a ping */
	AWAIT, /* answers when the slot's instance is as far as the number: see enum stage */
	LEAVE, /* lets on_instance_ending of the slot's instance return */
	COMPLETE_DESTROY, /* completes the end of the slot's instance: answers whether it could */
	STAGES, /* answers with the order in which the slot's instance went through its stages */
	HOLD, /* holds the ping's bytes for the instance: answers whether it could */
	PEEK_HELD, /* answers with the byte 'number' of what the slot's instance holds */
	ASK_LATE, /* calls all functions for the slot's instance: answers with a bit for each that did something */
};

enum stage { MADE, ENDING, TOLD, DESTROYED };

struct instance {
	uint64_t handle;
	unsigned char *held;
	uint32_t answer, stages;
	enum stage stage;
	bool lets_go, stays_ending, stays_destroyed, left;
	uint64_t open;
};

struct slot {
	struct instance *instance;
	uint64_t handle, ping;
	unsigned char *bytes;
};

static const struct virtio_user_host *host;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct slot slots[SLOTS];
static struct instance instances[4096]; /* never freed, so that tests can ask for what is over */
static uint32_t instance_count;

/* For the thread that completes pings. */
static struct slot soon[4096];
static uint32_t soon_added, soon_done;

void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap)
{
	(void)map;
	(void)unmap;
}

static void *complete_soon(void *unused)
{
	struct slot next;

	(void)unused;
	for (;;) {
		pthread_mutex_lock(&lock);
		while (soon_added == soon_done)
			pthread_cond_wait(&changed, &lock);
		next = soon[soon_done % 4096];
		pthread_mutex_unlock(&lock);
		host->complete_ping(next.handle, next.ping, 1);
		pthread_mutex_lock(&lock);
		soon_done++;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

bool virtio_user_plugin_init(const struct virtio_user_host *given)
{
	pthread_t thread;

	host = given;
	return host->size >= sizeof(*host) && pthread_create(&thread, NULL, complete_soon, NULL) == 0;
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = 0x5655;
	*device = 0x7e5f;
	*version = 1;
}

bool on_create_instance(uint64_t handle)
{
	struct instance *instance = &instances[__atomic_fetch_add(&instance_count, 1, __ATOMIC_RELAXED) % 4096];

	*instance = (struct instance){ .handle = handle };
	return host->set_instance_data(handle, instance);
}

static void reach(struct instance *instance, enum stage stage)
{
	pthread_mutex_lock(&lock);
	instance->stage = stage;
	instance->stages = instance->stages * 10 + stage;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void await(const struct instance *instance, enum stage stage)
{
	pthread_mutex_lock(&lock);
	while (instance->stage < stage)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void await_kept(const struct slot *slot)
{
	pthread_mutex_lock(&lock);
	while (!slot->ping)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

void on_instance_ending(uint64_t handle)
{
	struct instance *instance = host->get_instance_data(handle);
	uint64_t open = 0;

	reach(instance, ENDING);
	pthread_mutex_lock(&lock);
	while (instance->stays_ending && !instance->left)
		pthread_cond_wait(&changed, &lock);
	if (instance->lets_go)
		open = instance->open;
	pthread_mutex_unlock(&lock);
	reach(instance, TOLD);
	if (open)
		host->complete_ping(handle, open, instance->answer);
}

void on_destroy_instance_async(uint64_t handle)
{
	struct instance *instance = host->get_instance_data(handle);
	bool stays = instance->stays_destroyed;

	reach(instance, DESTROYED);
	if (!stays)
		host->complete_destroy(handle);
}

/* What a host calls that knows the draft alone. */
void on_destroy_instance(uint64_t handle)
{
	(void)handle;
}

static uint32_t ask_late(const struct slot *slot)
{
	return (uint32_t)(host->complete_ping(slot->handle, slot->ping, 1) |
			  host->fail_ping(slot->handle, slot->ping, 1) << 1 |
			  host->complete_destroy(slot->handle) << 2 | host->set_instance_data(slot->handle, NULL) << 3 |
			  host->raise_event(slot->handle, 1) << 4);
}

static void set(bool *what)
{
	pthread_mutex_lock(&lock);
	*what = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static uint32_t do_at_once(struct instance *instance, uint64_t metadata, uint64_t phys_addr, uint64_t size)
{
	struct slot *slot = &slots[metadata >> 48 & 0xff], *other = &slots[metadata >> 32 & 0xff];
	uint32_t number = (uint32_t)metadata;

	switch ((enum operation)(metadata >> 56)) {
	case COMPLETE:
		return host->complete_ping(slot->handle, slot->ping, number);
	case FAIL:
		return host->fail_ping(slot->handle, slot->ping, number);
	case COMPLETE_FOR:
		return host->complete_ping(other->handle, slot->ping, number);
	case COMPLETE_NUMBER:
		return host->complete_ping(slot->handle, slot->ping + (int32_t)number, 1);
	case PEEK:
		return slot->bytes[number];
	case POKE:
		slot->bytes[number] = metadata >> 32 & 0xff;
		return 1;
	case PAGE_OF:
		return (uint32_t)(phys_addr >> 12);
	case LETS_GO:
		instance->answer = number;
		set(&instance->lets_go);
		return 1;
	case STAYS_ENDING:
		set(&instance->stays_ending);
		return 1;
	case STAYS_DESTROYED:
		set(&instance->stays_destroyed);
		return 1;
	case AWAIT_KEPT:
		await_kept(slot);
		return 1;
	case AWAIT:
		await(slot->instance, number);
		return 1;
	case LEAVE:
		set(&slot->instance->left);
		return 1;
	case COMPLETE_DESTROY:
		return host->complete_destroy(slot->handle);
	case STAGES:
		return slot->instance->stages;
	case HOLD:
		instance->held = host->hold_memory(instance->handle, phys_addr, size);
		return instance->held != NULL;
	case PEEK_HELD:
		return slot->instance->held[number];
	case ASK_LATE:
		return ask_late(slot);
	default:
		return 0;
	}
}

static void complete_in_thread(const struct slot *made, bool waits)
{
	uint32_t number;

	pthread_mutex_lock(&lock);
	number = soon_added++;
	soon[number % 4096] = *made;
	pthread_cond_broadcast(&changed);
	while (waits && (int32_t)(soon_done - number) <= 0)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

void on_instance_ping_async(uint64_t handle, uint64_t ping, uint64_t metadata, uint64_t phys_addr, void *host_ptr,
			    uint64_t size, uint32_t events)
{
	struct instance *instance = host->get_instance_data(handle);
	struct slot made = { .instance = instance, .handle = handle, .ping = ping, .bytes = host_ptr };

	(void)events;
	switch ((enum operation)(metadata >> 56)) {
	case KEEP:
		pthread_mutex_lock(&lock);
		instance->open = ping;
		slots[metadata >> 48 & 0xff] = made;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
		return;
	case AT_ONCE:
		host->complete_ping(handle, ping, (uint32_t)metadata);
		host->complete_ping(handle, ping, 1234);
		host->fail_ping(handle, ping, 1234);
		return;
	case FAIL_AT_ONCE:
		host->fail_ping(handle, ping, (uint32_t)metadata);
		return;
	case IN_CALLBACK:
	case SOON:
		complete_in_thread(&made, metadata >> 56 == IN_CALLBACK);
		return;
	default:
		host->complete_ping(handle, ping, do_at_once(instance, metadata, phys_addr, size));
	}
}

/* What a host calls that knows the draft alone. */
uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	(void)handle, (void)metadata, (void)phys_addr, (void)host_ptr, (void)events;
	return 0;
}
