/*
 * The virtio-user device of the C back-end: it does what a good C programmer would do for the same ring. Pings are
 * taken as many as there are; used entries and events are published, and the driver is called, once for all of them.
 * Memory is handed out and never taken back, which is enough here.
 */
#include "user_device.h"

#include <string.h>

#define FAILED 0x80000000u
#define DEVICE_BITS 0x3fffffffu
#define HANDLES 65536u
#define OBJECTS 65536u
#define PAGE 4096u

/* A slot holds the handle that is alive in it; the other thread reads it. */
static _Atomic uint64_t handles[HANDLES];
static _Atomic uint64_t object_lengths[OBJECTS];
static uint64_t next_handle, next_object, next_offset;

static uint32_t echo(uint64_t metadata, uint64_t length)
{
	(void)length;
	return (uint32_t)metadata;
}

/* As a plug-in's callback would be called. */
static uint32_t (*volatile on_ping)(uint64_t metadata, uint64_t length) = echo;

static bool is_alive(uint64_t handle)
{
	return handle && atomic_load_explicit(&handles[handle % HANDLES], memory_order_acquire) == handle;
}

static void answer_config(struct config_message *message)
{
	message->error = 0;
	switch (message->operation) {
	case ENUMERATE:
		/* One device: none from the index 1 on. */
		message->device_count = message->device_count == 0;
		message->shm_id = 1;
		message->vendors[0] = VENDOR;
		message->devices[0] = ECHO_DEVICE;
		message->versions[0] = VERSION;
		break;
	case CREATE:
		if (message->vendors[0] != VENDOR || message->devices[0] != ECHO_DEVICE) {
			message->error = 1;
			break;
		}
		message->instance = ++next_handle;
		message->device_count = 1;
		message->versions[0] = VERSION;
		atomic_store_explicit(&handles[next_handle % HANDLES], next_handle, memory_order_release);
		break;
	case DESTROY:
		if (is_alive(message->instance))
			atomic_store_explicit(&handles[message->instance % HANDLES], 0, memory_order_release);
		else
			message->error = 6;
		break;
	case ALLOCATE:
		message->shm_size = (message->shm_size + PAGE - 1) / PAGE * PAGE;
		if (!is_alive(message->instance) || message->shm_size == 0 || message->shm_size > ARENA_LENGTH - next_offset ||
		    next_object + 1 == OBJECTS) {
			message->error = 3;
			break;
		}
		message->shm_id = ++next_object;
		message->shm_offset = next_offset;
		next_offset += message->shm_size;
		atomic_store_explicit(&object_lengths[next_object], message->shm_size, memory_order_release);
		break;
	case FREE:
	case EXPORT:
		break;
	default:
		message->error = 8;
		break;
	}
}

void work_on_config(struct virtqueue *requests, struct virtqueue *replies)
{
	do {
		while (pending(requests) && pending(replies)) {
			struct config_message message;
			uint16_t request, reply;
			void *source = take(requests, &request, sizeof(message), false);
			void *target = take(replies, &reply, sizeof(message), true);

			if (source && target) {
				memcpy(&message, source, sizeof(message));
				answer_config(&message);
				memcpy(target, &message, sizeof(message));
			}
			give_back(requests, request, 0);
			give_back(replies, reply, source && target ? sizeof(message) : 0);
			publish(requests);
			publish(replies);
			call_if_wanted(requests);
			call_if_wanted(replies);
		}
	} while ((enable_kicks(requests) & enable_kicks(replies)));
}

static uint32_t run(const struct ping_message *ping)
{
	if (!is_alive(ping->instance))
		return FAILED;
	if (ping->shm_id) {
		uint64_t length = ping->shm_id < OBJECTS ? object_lengths[ping->shm_id] : 0;

		if (ping->shm_offset > length || ping->shm_size > length - ping->shm_offset)
			return FAILED;
	}
	atomic_thread_fence(memory_order_seq_cst);
	uint32_t revents = on_ping(ping->metadata, ping->shm_size) & DEVICE_BITS;
	atomic_thread_fence(memory_order_seq_cst);
	return revents;
}

static void finish_batch(struct virtqueue *pings, struct virtqueue *events)
{
	publish(events);
	publish(pings);
	call_if_wanted(events);
	call_if_wanted(pings);
}

int work_on_pings(struct virtqueue *pings, struct virtqueue *events)
{
	disable_kicks(pings);
	do {
		for (uint16_t count; (count = pending(pings)) > 0;) {
			uint16_t room = pending(events);

			for (; count > 0 && room > 0; count--) {
				struct ping_message ping;
				uint16_t head, event_head;
				void *source = take(pings, &head, sizeof(ping), false);

				if (source) {
					memcpy(&ping, source, sizeof(ping));
					uint32_t revents = run(&ping);

					if (ping.events) {
						struct event_message event = { ping.instance, revents };
						void *target = take(events, &event_head, sizeof(event), true);

						if (target)
							memcpy(target, &event, sizeof(event));
						give_back(events, event_head, target ? sizeof(event) : 0);
						room--;
					}
				}
				give_back(pings, head, 0);
			}
			finish_batch(pings, events);
			if (count > 0 && !enable_kicks(events))
				return EVENT;
		}
	} while (enable_kicks(pings));
	return PING;
}
