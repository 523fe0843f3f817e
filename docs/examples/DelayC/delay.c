/* The device of docs/write-a-device.md that answers later: each ping as many milliseconds after it came as its metadata says. */
#include "virtio_user_plugin.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LONGEST 60000 /* milliseconds */
#define TOO_LONG 1 /* the code with which a ping fails that wants more */

struct instance {
	uint64_t handle;
	uint64_t ping; /* the one that is open, while this is in the list */
	uint64_t due; /* when it is to be answered */
	bool ending;
	struct instance *next;
};

static const struct virtio_user_host *host;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all that follows, and of the instances */
static pthread_cond_t changed;
static struct instance *waiting;

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void sleep_until(uint64_t due)
{
	struct timespec time = { .tv_sec = (time_t)(due / 1000), .tv_nsec = (long)(due % 1000 * 1000000) };

	pthread_cond_timedwait(&changed, &lock, &time);
}

/* One thread answers the pings of all instances: each has one open at the most. */
static void *answer(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		struct instance **first = &waiting, *instance;

		for (struct instance **each = &waiting; *each; each = &(*each)->next)
			if ((*each)->due < (*first)->due)
				first = each;
		instance = *first;
		if (!instance) {
			pthread_cond_wait(&changed, &lock);
		} else if (instance->due > now()) {
			sleep_until(instance->due);
		} else {
			*first = instance->next;
			/* The instance can be gone before this returns. */
			host->complete_ping(instance->handle, instance->ping, 1);
		}
	}
	return unused;
}

void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap)
{
	(void)map, (void)unmap;
}

bool virtio_user_plugin_init(const struct virtio_user_host *given)
{
	pthread_condattr_t monotonic;
	pthread_t thread;

	if (given->size < sizeof(*given))
		return false; /* a daemon from before complete_ping */
	host = given;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	return pthread_create(&thread, NULL, answer, NULL) == 0;
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = 0x1234;
	*device = 0x0005;
	*version = 1;
}

bool on_create_instance(uint64_t handle)
{
	struct instance *instance = calloc(1, sizeof(*instance));

	if (!instance)
		return false;
	instance->handle = handle;
	return host->set_instance_data(handle, instance);
}

void on_instance_ping_async(uint64_t handle, uint64_t ping, uint64_t metadata, uint64_t phys_addr, void *host_ptr,
			    uint64_t size, uint32_t events)
{
	struct instance *instance = host->get_instance_data(handle);

	(void)phys_addr, (void)host_ptr, (void)size, (void)events;
	if (metadata > LONGEST) {
		host->fail_ping(handle, ping, TOO_LONG);
		return;
	}
	pthread_mutex_lock(&lock);
	instance->ping = ping;
	instance->due = instance->ending ? 0 : now() + metadata;
	instance->next = waiting;
	waiting = instance;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

/* Nobody waits for the answer any more, but the end waits for the ping. */
void on_instance_ending(uint64_t handle)
{
	struct instance *instance = host->get_instance_data(handle);

	pthread_mutex_lock(&lock);
	instance->ending = true;
	instance->due = 0;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

/* After the last ping is complete, so the instance is not in the list. */
void on_destroy_instance(uint64_t handle)
{
	free(host->get_instance_data(handle));
}

/* What a host calls that knows the draft alone; this device does not start there. */
uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	(void)handle, (void)metadata, (void)phys_addr, (void)host_ptr, (void)events;
	return 0;
}
