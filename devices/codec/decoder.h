/* SPDX-License-Identifier: MIT */
/*
 * One decoder: what an instance becomes with CODEC_OPEN. Its parts are in several files:
 *
 *	decoder.c	opens and closes it
 *	worker.c	its thread: packets into libavcodec, pictures out of it
 *	buffers.c	memory for pictures, when libavcodec asks for it, on any of its threads
 *	outputs.c	what goes to the guest, and pictures that come back
 *	waiting.c	waiting for the guest, and waking it
 */
#ifndef CODEC_DECODER_H
#define CODEC_DECODER_H

#include "frame_area.h"
#include "picture.h"
#include "rings.h"

#include <pthread.h>

struct decoder {
	uint64_t handle; /* the instance's */
	uint64_t address; /* of the object, for the guest */
	uint64_t size;
	unsigned char *object;
	struct codec_setup setup;

	AVCodecContext *codec;
	AVPacket *packet; /* the worker's */
	AVFrame *frame; /* the worker's */
	pthread_t worker;

	pthread_mutex_t lock; /* held for moments only, never while a picture is freed */
	pthread_cond_t changed; /* a doorbell, a block that came back, the end */

	/* All that follows belongs to the lock. */
	struct rings rings;
	struct decoder_area {
		struct frame_area area;
		struct decoder *decoder;
	} shared, hidden; /* pictures in the object, and those that the guest must not touch yet */
	AVFrame *out[CODEC_RING_ENTRIES]; /* pictures that the guest has, by their tokens */
	uint32_t out_count;
	uint32_t sleepers; /* threads that wait for the guest */
	uint64_t needed; /* bytes of a picture that had no room, not told to the guest yet; 0 = none */
	bool error_news; /* the guest was not told yet that there was an error */
	bool stopped; /* the instance ends, or the guest broke the protocol */
};

/*
 * What libavcodec is told if there is no room for a picture, and hands on, with threads later than the guest heard of it by
 * struct decoder's needed. libavcodec makes no such error itself.
 */
#define NO_ROOM AVERROR(ENOBUFS)

/* What a thread waits for: says whether it has come. Called with the lock held. */
typedef bool decoder_condition(struct decoder *decoder, void *argument);

/* ---- decoder.c ---- */

/*
 * Opens a decoder on an object that a ping named, and starts its thread.
 *
 * @opened: set if the answer is CODEC_OK
 */
enum codec_answer decoder_open(uint64_t handle, uint64_t address, void *object, uint64_t size, struct decoder **opened);

/* Stops the thread, frees all pictures and the decoder. The object is not touched any more. */
void decoder_close(struct decoder *decoder);

/* ---- worker.c ---- */

/* The decoder's thread. */
void *decoder_work(void *decoder);

/* ---- buffers.c ---- */

/* Callbacks of libavcodec. */
int decoder_get_buffer(AVCodecContext *codec, AVFrame *frame, int flags);
enum AVPixelFormat decoder_get_format(AVCodecContext *codec, const enum AVPixelFormat *formats);

/*
 * Gives a frame without memory a block, laid out as told; waits for the guest if it has pictures that it can give back.
 * Returns false if there is no room, or the decoder has stopped.
 */
bool decoder_fill_frame(struct decoder *decoder, struct decoder_area *where,
			const struct picture_layout *layout, AVFrame *frame);

/* ---- outputs.c ---- */

/* Sends the decoder's frame to the guest, which leaves it empty. */
void decoder_put_frame(struct decoder *decoder);

/* Sends an error or the end of the stream; waits until the ring has room. @needed: for CODEC_ERROR_NO_ROOM */
void decoder_put_error(struct decoder *decoder, enum codec_error error, uint64_t needed);
void decoder_put_end(struct decoder *decoder);

/*
 * Frees the pictures that the guest has returned; the lock is held, but not all the time. Returns false if there were none:
 * then it was held all the time.
 */
bool decoder_take_returns(struct decoder *decoder);

/* ---- waiting.c ---- */

/* Waits until a condition is met. The lock is held, but not all the time. Returns false if the decoder has stopped. */
bool decoder_wait(struct decoder *decoder, decoder_condition *met, void *argument);

/* Wakes the guest, if it wants that by now. The lock is held. */
void decoder_tell(struct decoder *decoder);

/* The guest broke the protocol: the decoder stops. The lock is held. */
void decoder_break(struct decoder *decoder, enum codec_broken reason);

/* The guest rings. */
void decoder_doorbell(struct decoder *decoder);

#endif
