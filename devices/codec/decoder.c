/* SPDX-License-Identifier: MIT */
/* Opens and closes a decoder. */
#include "decoder.h"
#include "host.h"

#include <libavutil/cpu.h>
#include <stdlib.h>

/*
 * What a decoder takes of the host's own memory grows with the room for pictures that its guest gives: the same again for
 * pictures that the guest must not touch, and a few times as much for what codecs keep about each picture. So that room
 * counts, up to what the largest pictures need, and all decoders together may have so much.
 */
#define ROOM_COUNTED (1ull << 30)
#define ROOM_MAX (4ull << 30)

/*
 * Codecs with memory of their own (AV1's) keep 8 pictures and a few more that are being decoded. So many of the largest
 * together take about as much as the guest has given.
 */
#define OWN_PICTURES 16

static uint64_t room;

static uint64_t room_of(const struct codec_setup *setup)
{
	return setup->frames_size < ROOM_COUNTED ? setup->frames_size : ROOM_COUNTED;
}

static void give_room_back(const struct codec_setup *setup)
{
	__atomic_sub_fetch(&room, room_of(setup), __ATOMIC_RELAXED);
}

static bool take_room(const struct codec_setup *setup)
{
	if (__atomic_add_fetch(&room, room_of(setup), __ATOMIC_RELAXED) <= ROOM_MAX)
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
	       setup->threads <= CODEC_THREADS_MAX;
}

static const AVCodec *find(uint32_t codec)
{
	switch (codec) {
	case CODEC_H264:
		return avcodec_find_decoder_by_name("h264");
	case CODEC_VP9:
		return avcodec_find_decoder_by_name("vp9");
	case CODEC_AV1:
		/* libavcodec's own needs a graphics card, and it sets libaom no limit for the size of a picture. */
		return avcodec_find_decoder_by_name("libdav1d");
	default:
		return NULL;
	}
}

static AVCodecContext *open_codec(struct decoder *decoder, const AVCodec *codec)
{
	AVCodecContext *context = avcodec_alloc_context3(codec);

	if (!context)
		return NULL;
	context->opaque = decoder;
	context->get_buffer2 = decoder_get_buffer;
	context->get_format = decoder_get_format;
	context->thread_count = decoder->setup.threads;
	/* libdav1d would choose one for each processor, up to 256. */
	if (context->thread_count == 0 && (codec->capabilities & AV_CODEC_CAP_OTHER_THREADS))
		context->thread_count = FFMIN(av_cpu_count(), (int)CODEC_THREADS_MAX);
	context->thread_type = FF_THREAD_FRAME | FF_THREAD_SLICE;
	if (!(codec->capabilities & AV_CODEC_CAP_DR1) || codec->id == AV_CODEC_ID_AV1)
		context->max_pixels = FFMAX(room_of(&decoder->setup) / OWN_PICTURES, 1); /* 0 is no limit for libdav1d */
#if LIBAVCODEC_VERSION_MAJOR < 60
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* it is needed as long as it is there */
	context->thread_safe_callbacks = 1;
#pragma GCC diagnostic pop
#endif
	if (avcodec_open2(context, codec, NULL) < 0)
		avcodec_free_context(&context);
	return context;
}

/* Frees what there is of a decoder without a thread. */
static void drop(struct decoder *decoder)
{
	avcodec_free_context(&decoder->codec);
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

static bool start(struct decoder *decoder, const AVCodec *codec)
{
	decoder->packet = av_packet_alloc();
	decoder->frame = av_frame_alloc();
	if (!decoder->packet || !decoder->frame || !frame_area_reserve(&decoder->hidden.area, room_of(&decoder->setup)))
		return false;
	decoder->codec = open_codec(decoder, codec);
	return decoder->codec && pthread_create(&decoder->worker, NULL, decoder_work, decoder) == 0;
}

enum codec_answer decoder_open(uint64_t handle, uint64_t address, void *object, uint64_t size, struct decoder **opened)
{
	struct codec_setup setup;
	struct decoder *decoder;
	const AVCodec *codec;

	if (!object || (uintptr_t)object % 4096 != 0 || size < CODEC_AREAS)
		return CODEC_BAD_LAYOUT;
	copy_once(&setup, object, sizeof(setup));
	if (!is_good(&setup, size))
		return CODEC_BAD_LAYOUT;
	codec = find(setup.codec);
	if (!codec)
		return CODEC_UNKNOWN_CODEC;

	decoder = calloc(1, sizeof(*decoder));
	if (!decoder)
		return CODEC_NO_RESOURCES;
	decoder->handle = handle;
	decoder->address = address;
	decoder->size = size;
	decoder->setup = setup;
	if (!take_room(&setup))
		goto no_room;
	decoder->object = host->hold_memory(handle, address, size);
	if (!decoder->object)
		goto no_object;
	pthread_mutex_init(&decoder->lock, NULL);
	pthread_cond_init(&decoder->changed, NULL);
	rings_start(&decoder->rings, decoder->object);
	frame_area_over(&decoder->shared.area, decoder->object + setup.frames_offset, setup.frames_size);
	decoder->shared.decoder = decoder->hidden.decoder = decoder;

	if (!start(decoder, codec)) {
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

void decoder_close(struct decoder *decoder)
{
	pthread_mutex_lock(&decoder->lock);
	decoder->stopped = true;
	pthread_cond_broadcast(&decoder->changed);
	pthread_mutex_unlock(&decoder->lock);
	pthread_join(decoder->worker, NULL);
	drop(decoder);
}
