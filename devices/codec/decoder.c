/* SPDX-License-Identifier: MIT */
/* Opens and closes a decoder. */
#include "decoder.h"
#include "host.h"

#include <stdlib.h>

/* What all decoders together may have of room that counts. */
#define ROOM_MAX (4ull << 30)

static uint64_t room;

static void give_room_back(const struct codec_setup *setup)
{
	__atomic_sub_fetch(&room, decoder_room(setup), __ATOMIC_RELAXED);
}

static bool take_room(const struct codec_setup *setup)
{
	if (__atomic_add_fetch(&room, decoder_room(setup), __ATOMIC_RELAXED) <= ROOM_MAX)
		return true;
	give_room_back(setup);
	return false;
}

static bool is_area(uint64_t offset, uint64_t size, uint64_t object_size)
{
	return offset >= CODEC_AREAS && offset <= object_size && size != 0 && size <= object_size - offset;
}

static bool is_good(const struct codec_setup *setup, uint64_t size)
{
	return is_area(setup->data_offset, setup->data_size, size) &&
	       is_area(setup->frames_offset, setup->frames_size, size) && setup->frames_offset % 4096 == 0 &&
	       (setup->data_offset + setup->data_size <= setup->frames_offset ||
		setup->frames_offset + setup->frames_size <= setup->data_offset) &&
	       setup->threads <= CODEC_THREADS_MAX && setup->reserved == 0;
}

/* Frees what there is of a decoder without a thread. */
static void drop(struct decoder *decoder)
{
	av_packet_free(&decoder->packet);
	av_frame_free(&decoder->frame);
	for (uint32_t token = 0; token < CODEC_RING_ENTRIES; token++)
		av_frame_free(&decoder->out[token]);
	frame_area_unreserve(&decoder->hidden.area);
	pthread_cond_destroy(&decoder->changed);
	pthread_mutex_destroy(&decoder->lock);
	host->release_memory(decoder->handle, decoder->address, decoder->size);
	give_room_back(&decoder->setup);
	free(decoder);
}

static bool start(struct decoder *decoder)
{
	decoder->packet = av_packet_alloc();
	decoder->frame = av_frame_alloc();
	if (!decoder->packet || !decoder->frame ||
	    !frame_area_reserve(&decoder->hidden.area, decoder_room(&decoder->setup)))
		return false;
	if (pthread_create(&decoder->worker, NULL, decoder_work, decoder) != 0)
		return false;
	pthread_detach(decoder->worker);
	return true;
}

enum codec_answer decoder_open(uint64_t handle, uint64_t address, void *object, uint64_t size, struct decoder **opened)
{
	struct codec_setup setup;
	struct decoder *decoder;
	pthread_condattr_t monotonic;

	if (!object || (uintptr_t)object % 4096 != 0 || size < CODEC_AREAS)
		return CODEC_BAD_LAYOUT;
	copy_once(&setup, object, sizeof(setup));
	if (!is_good(&setup, size))
		return CODEC_BAD_LAYOUT;

	decoder = calloc(1, sizeof(*decoder));
	if (!decoder)
		return CODEC_NO_RESOURCES;
	decoder->handle = handle;
	decoder->address = address;
	decoder->size = size;
	decoder->setup = setup;
	decoder->users = 2;
	if (!take_room(&setup))
		goto no_room;
	decoder->object = host->hold_memory(handle, address, size);
	if (!decoder->object)
		goto no_object;
	pthread_mutex_init(&decoder->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&decoder->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	rings_start(&decoder->rings, decoder->object);
	frame_area_over(&decoder->shared.area, decoder->object + setup.frames_offset, setup.frames_size);
	decoder->shared.decoder = decoder->hidden.decoder = decoder;

	if (!start(decoder)) {
		drop(decoder);
		return CODEC_NO_RESOURCES;
	}
	*opened = decoder;
	return CODEC_OK;

no_object:
	give_room_back(&setup);
no_room:
	free(decoder);
	return CODEC_NO_RESOURCES;
}

bool decoder_has_stopped(struct decoder *decoder)
{
	bool stopped;

	pthread_mutex_lock(&decoder->lock);
	stopped = decoder->stopped;
	pthread_mutex_unlock(&decoder->lock);
	return stopped;
}

void decoder_close(struct decoder *decoder)
{
	pthread_mutex_lock(&decoder->lock);
	decoder->stopped = true;
	pthread_cond_broadcast(&decoder->changed);
	pthread_mutex_unlock(&decoder->lock);
	decoder_leave(decoder);
}

void decoder_leave(struct decoder *decoder)
{
	uint64_t handle = decoder->handle;
	bool last;

	pthread_mutex_lock(&decoder->lock);
	last = --decoder->users == 0;
	pthread_mutex_unlock(&decoder->lock);
	if (!last)
		return;
	drop(decoder);
	end_instance(handle);
}
