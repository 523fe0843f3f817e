/* SPDX-License-Identifier: MIT */
/* What the daemon is for the plug-in. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <semaphore.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

uint64_t frames_size = 64u << 20;
unsigned char *object;
uint64_t object_size;
int event;
uint32_t events;

static void *instance_data;
static sem_t ended;

static bool raise_event(uint64_t handle, uint32_t revents)
{
	(void)handle;
	__atomic_or_fetch(&events, revents, __ATOMIC_SEQ_CST);
	return write(event, &(uint64_t){ 1 }, 8) == 8;
}

static void say(int level, const char *text)
{
	fprintf(stderr, "%d %s\n", level, text);
}

static bool set_data(uint64_t handle, void *data)
{
	(void)handle;
	instance_data = data;
	return true;
}

static void *get_data(uint64_t handle)
{
	(void)handle;
	return instance_data;
}

static uint32_t get_version(uint64_t handle)
{
	(void)handle;
	return CODEC_VERSION;
}

static void *hold(uint64_t handle, uint64_t address, uint64_t size)
{
	(void)handle, (void)address, (void)size;
	return object;
}

static bool let_go(uint64_t handle, uint64_t address, uint64_t size)
{
	(void)handle, (void)address, (void)size;
	return true;
}

static bool complete_ping(uint64_t handle, uint64_t ping, uint32_t number)
{
	(void)handle, (void)ping, (void)number;
	return false; /* the plug-in leaves none open */
}

static bool complete_destroy(uint64_t handle)
{
	(void)handle;
	return sem_post(&ended) == 0;
}

void finish(void)
{
	on_destroy_instance_async(1);
	while (sem_wait(&ended) != 0)
		; /* a signal came */
}

static const struct virtio_user_host offered = {
	.size = sizeof(offered),
	.version = 1,
	.raise_event = raise_event,
	.log = say,
	.set_instance_data = set_data,
	.get_instance_data = get_data,
	.get_instance_version = get_version,
	.hold_memory = hold,
	.release_memory = let_go,
	.complete_ping = complete_ping,
	.fail_ping = complete_ping,
	.complete_destroy = complete_destroy,
};

bool start_host(void)
{
	object_size = CODEC_AREAS + DATA_SIZE + frames_size;
	object = mmap(NULL, object_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	event = eventfd(0, EFD_CLOEXEC);
	return object != MAP_FAILED && sem_init(&ended, 0, 0) == 0 && event >= 0 && virtio_user_plugin_init(&offered);
}
