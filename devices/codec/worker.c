/* SPDX-License-Identifier: MIT */
/* The decoder's thread: packets into libavcodec, pictures out of it. */
#define _GNU_SOURCE
#include "decoder.h"

#include <string.h>

#define ERRORS_MAX 64 /* that libavcodec may return one after the other before it is not asked any more */

static bool has_packet(struct decoder *decoder, void *unused)
{
	uint32_t packets = rings_packets(&decoder->rings);

	(void)unused;
	if (packets > CODEC_RING_ENTRIES)
		decoder_break(decoder, CODEC_BROKEN_PACKETS);
	return packets != 0;
}

static bool is_end(const struct codec_packet *packet)
{
	return packet->flags & CODEC_PACKET_END;
}

static bool is_good(const struct codec_setup *setup, const struct codec_packet *packet)
{
	if (is_end(packet))
		return packet->size == 0;
	return packet->size != 0 && packet->size <= CODEC_PACKET_MAX && packet->size <= setup->data_size &&
	       packet->offset >= setup->data_offset &&
	       packet->offset - setup->data_offset <= setup->data_size - packet->size;
}

/* Waits for a packet's entry, which stays in the ring. Returns false if the decoder has stopped. */
static bool next_packet(struct decoder *decoder, struct codec_packet *packet)
{
	bool going;

	pthread_mutex_lock(&decoder->lock);
	going = decoder_wait(decoder, has_packet, NULL);
	if (going) {
		rings_peek_packet(&decoder->rings, packet);
		if (!is_good(&decoder->setup, packet)) {
			decoder_break(decoder, CODEC_BROKEN_PACKET);
			going = false;
		}
	}
	pthread_mutex_unlock(&decoder->lock);
	return going;
}

static void packet_taken(struct decoder *decoder)
{
	pthread_mutex_lock(&decoder->lock);
	rings_take_packet(&decoder->rings);
	decoder_tell(decoder);
	pthread_mutex_unlock(&decoder->lock);
}

static bool has_stopped(struct decoder *decoder)
{
	bool stopped;

	pthread_mutex_lock(&decoder->lock);
	stopped = decoder->stopped;
	pthread_mutex_unlock(&decoder->lock);
	return stopped;
}

/* Tells the guest what went wrong in libavcodec, if something did. */
static void report(struct decoder *decoder, int result)
{
	uint64_t needed;

	pthread_mutex_lock(&decoder->lock);
	needed = decoder->needed;
	decoder->needed = 0;
	pthread_mutex_unlock(&decoder->lock);

	if (needed != 0 || result == AVERROR(ERANGE)) /* libdav1d: larger than max_pixels */
		decoder_put_error(decoder, CODEC_ERROR_NO_ROOM, needed);
	else if (result == AVERROR(ENOMEM) || result == AVERROR_EXTERNAL || result == AVERROR_BUG)
		decoder_put_error(decoder, CODEC_ERROR_HOST, 0);
	else if (result < 0 && result != AVERROR(EAGAIN) && result != AVERROR_EOF && result != NO_ROOM)
		decoder_put_error(decoder, CODEC_ERROR_CORRUPT, 0);
}

/* Sends all pictures to the guest that libavcodec can give at the moment. */
static void receive(struct decoder *decoder)
{
	int result, errors = 0;

	do {
		result = avcodec_receive_frame(decoder->codec, decoder->frame);
		report(decoder, result);
		if (result >= 0) {
			decoder_put_frame(decoder);
			report(decoder, 0); /* the copy may have had no room */
		} else {
			errors++;
		}
	} while (result != AVERROR(EAGAIN) && result != AVERROR_EOF && errors < ERRORS_MAX && !has_stopped(decoder));
}

static void decode(struct decoder *decoder, const struct codec_packet *packet)
{
	int result;

	/* The one copy that is ever read: the guest can change its bytes at any time, and codecs read packets twice. */
	if (av_new_packet(decoder->packet, packet->size) < 0) {
		packet_taken(decoder);
		decoder_put_error(decoder, CODEC_ERROR_HOST, 0);
		return;
	}
	memcpy(decoder->packet->data, decoder->object + packet->offset, packet->size);
	decoder->packet->pts = packet->pts;
	packet_taken(decoder);

	result = avcodec_send_packet(decoder->codec, decoder->packet);
	if (result == AVERROR(EAGAIN)) {
		receive(decoder);
		result = avcodec_send_packet(decoder->codec, decoder->packet);
	}
	av_packet_unref(decoder->packet);
	report(decoder, result);
	receive(decoder);
}

static void finish_stream(struct decoder *decoder)
{
	packet_taken(decoder);
	report(decoder, avcodec_send_packet(decoder->codec, NULL));
	receive(decoder);
	decoder_put_end(decoder);
	avcodec_flush_buffers(decoder->codec);
}

void *decoder_work(void *argument)
{
	struct decoder *decoder = argument;
	struct codec_packet packet;

	pthread_setname_np(pthread_self(), "codec");
	while (next_packet(decoder, &packet)) {
		if (is_end(&packet))
			finish_stream(decoder);
		else
			decode(decoder, &packet);
	}
	return NULL;
}
