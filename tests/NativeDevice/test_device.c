/* SPDX-License-Identifier: MIT */
/* The test device in C: TestDevices.ManyVersions, as far as TestOperation makes sense in C. */
#include "virtio_user_plugin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum operation {
	ECHO,
	ECHO_EVENTS,
	CHECKSUM,
	FILL,
	COPY,
	WAIT = 6,
	RELEASE,
	RAISE_EVENTS,
	VERSION,
	COUNT,
	PHYSICAL_PAGE = 13,
	LENGTH,
	JOIN_EVENTS,
};

#define MAX_GATES 64

#ifndef DEVICE
#define DEVICE 0x7e5a
#endif

struct instance {
	uint64_t handle;
	uint32_t count;
	bool raising;
	uint32_t events;
	pthread_t thread;
};

static const struct virtio_user_host *host;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;
static uint64_t gates[MAX_GATES];
static unsigned int gate_count;

void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap)
{
	(void)map;
	(void)unmap;
}

bool virtio_user_plugin_init(const struct virtio_user_host *given)
{
	host = given;
	host->log(VIRTIO_USER_LOG_INFORMATION, "The test device in C is here");
	return host->size >= sizeof(*host) && host->version == 1;
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = 0x5655;
	*device = DEVICE;
	*version = 4;
}

uint32_t get_device_versions(uint32_t *versions, uint32_t room)
{
	for (uint32_t i = 0; i < 3 && i < room; i++)
		versions[i] = 2 + i;
	return 3;
}

bool on_accept_version(uint32_t requested, uint32_t *accepted)
{
	*accepted = requested;
	return requested >= 2 && requested <= 4;
}

bool on_create_instance(uint64_t handle)
{
	struct instance *instance = calloc(1, sizeof(*instance));

	if (!instance)
		return false;
	instance->handle = handle;
	return host->set_instance_data(handle, instance);
}

static void join_events(struct instance *instance)
{
	if (instance->raising)
		pthread_join(instance->thread, NULL);
	instance->raising = false;
}

void on_destroy_instance(uint64_t handle)
{
	struct instance *instance = host->get_instance_data(handle);

	join_events(instance);
	free(instance);
}

static bool is_open(uint64_t gate)
{
	for (unsigned int i = 0; i < gate_count; i++)
		if (gates[i] == gate)
			return true;
	return false;
}

static void wait_for(uint64_t gate)
{
	pthread_mutex_lock(&lock);
	while (!is_open(gate))
		pthread_cond_wait(&opened, &lock);
	pthread_mutex_unlock(&lock);
}

static uint32_t release(uint64_t gate)
{
	uint32_t done = 0;

	pthread_mutex_lock(&lock);
	if (gate_count < MAX_GATES) {
		gates[gate_count++] = gate;
		done = 1;
	}
	pthread_cond_broadcast(&opened);
	pthread_mutex_unlock(&lock);
	return done;
}

static void *raise_events(void *argument)
{
	struct instance *instance = argument;

	for (uint32_t i = 1; i <= instance->events; i++)
		host->raise_event(instance->handle, i);
	return NULL;
}

static uint32_t start_events(struct instance *instance, uint32_t events)
{
	join_events(instance);
	instance->events = events;
	instance->raising = pthread_create(&instance->thread, NULL, raise_events, instance) == 0;
	return instance->raising;
}

static void fill(uint64_t *words, uint64_t count, uint64_t seed)
{
	for (uint64_t i = 0; i < count; i++)
		words[i] = seed += 0x9e3779b97f4a7c15;
}

static uint32_t checksum(const uint64_t *words, uint64_t count)
{
	uint64_t sum = 0xcbf29ce484222325;

	for (uint64_t i = 0; i < count; i++)
		sum = ((sum << 5 | sum >> 59) ^ words[i]) * 0x100000001b3;
	return (uint32_t)(sum ^ sum >> 32);
}

uint32_t on_instance_ping_sized(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint64_t size,
				uint32_t events)
{
	struct instance *instance = host->get_instance_data(handle);
	uint64_t argument = metadata & 0x00ffffffffffffff;

	instance->count++;
	switch ((enum operation)(metadata >> 56)) {
	case ECHO:
		return (uint32_t)argument;
	case ECHO_EVENTS:
		return events;
	case CHECKSUM:
		return checksum(host_ptr, size / 8);
	case FILL:
		fill(host_ptr, size / 8, argument);
		return 1;
	case COPY:
		memcpy((char *)host_ptr + size / 2, host_ptr, size / 2);
		return 1;
	case WAIT:
		wait_for(argument);
		return 1;
	case RELEASE:
		return release(argument);
	case RAISE_EVENTS:
		return start_events(instance, (uint32_t)argument);
	case JOIN_EVENTS:
		join_events(instance);
		return 1;
	case VERSION:
		return host->get_instance_version(handle);
	case COUNT:
		return instance->count;
	case PHYSICAL_PAGE:
		return (uint32_t)(phys_addr >> 12);
	case LENGTH:
		return (uint32_t)size;
	}
	return 0;
}

/* Never called: the one with the size is there. */
uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	(void)handle, (void)metadata, (void)phys_addr, (void)host_ptr, (void)events;
	return 0;
}
