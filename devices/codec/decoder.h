/* SPDX-License-Identifier: MIT */
/*
 * One decoder: what an instance becomes with CODEC_OPEN. Its parts are in several files:
 *
 *	decoder.c	opens and closes it
 *	worker.c	its thread: the stream in, pictures out
 *	input.c		the stream's bytes, as libavformat reads them
 *	stream.c	one stream: libavformat's demuxer and libavcodec's decoder
 *	timing.c	when each picture is to be shown
 *	buffers.c	memory for pictures, when libavcodec asks for it, on any of its threads
 *	limits.c	how large pictures may be, and how much room is enough
 *	outputs.c	what goes to the guest, and pictures that come back
 *	waiting.c	waiting for the guest, and waking it
 */
#ifndef CODEC_DECODER_H
#define CODEC_DECODER_H

#include "frame_area.h"
#include "input.h"
#include "picture.h"
#include "rings.h"
#include "stream.h"

#include <pthread.h>
#include <stdarg.h>

struct decoder {
	uint64_t handle; /* the instance's */
	uint64_t address; /* of the object, for the guest */
	uint64_t size;
	unsigned char *object;
	struct codec_setup setup;

	/* The worker's. */
	struct input input;
	struct stream stream;
	AVPacket *packet;
	AVFrame *frame;
	uint32_t missed_told;
	uint32_t gaps_told;
	uint32_t concealed_told;
	pthread_t worker;

	/* What libavcodec says on any of its threads; each is read and written as a whole. */
	uint32_t missed; /* that a picture is missing to which others refer */
	uint32_t gaps; /* that pictures are missing between two */
	uint32_t concealed; /* that parts of one are */

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
	uint32_t lost; /* pictures that had no room, of which the guest was not told yet */
	uint64_t enough; /* room that would have done for them */
	bool starved; /* a thread has waited for returns in vain, and none came since */
	uint32_t progress; /* grows with all that happens to the rings and the room */
	bool error_news; /* the guest was not told yet that there was an error */
	bool stopped; /* the instance ends, or the guest broke the protocol */
	uint32_t users; /* the instance and the worker */
};

/*
 * What libavcodec is told if there is no room for a picture, and hands on, with threads later than the guest heard of it by
 * struct decoder's lost. libavcodec makes no such error itself.
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

/* The instance ends: stops the thread, and waits for nothing. The decoder is not the caller's any more. */
void decoder_close(struct decoder *decoder);

/*
 * One of the two users goes. The last one frees all pictures and the decoder, after which the object is not touched any more, and
 * ends the instance.
 */
void decoder_leave(struct decoder *decoder);

bool decoder_has_stopped(struct decoder *decoder);

/* ---- worker.c ---- */

/* The decoder's thread. */
void *decoder_work(void *decoder);

/*
 * libavcodec's log. It is written nowhere; but that a picture refers to one that is missing, and the like, libavcodec says nowhere
 * else.
 */
void decoder_hear(void *context, int level, const char *format, va_list arguments);

/* ---- buffers.c ---- */

/* Callbacks of libavcodec. */
int decoder_get_buffer(AVCodecContext *codec, AVFrame *frame, int flags);
enum AVPixelFormat decoder_get_format(AVCodecContext *codec, const enum AVPixelFormat *formats);

/*
 * Gives a frame without memory a block, laid out as told; waits for the guest if it has pictures that it can give back.
 * Returns false if there is no room, which the worker tells the guest, or the decoder has stopped.
 *
 * @codec: whose picture it is, null for a copy
 */
bool decoder_fill_frame(struct decoder *decoder, struct decoder_area *where, const AVCodecContext *codec,
			const struct picture_layout *layout, AVFrame *frame);

/* ---- limits.c ---- */

/* Room that counts where memory of the host's own is limited by it. */
uint64_t decoder_room(const struct codec_setup *setup);

/* Whether a codec has pictures in memory of its own, which only their size limits. */
bool decoder_has_own_memory(const AVCodec *codec);

/* The most samples of a picture that a codec may decode. */
int64_t decoder_samples_max(const struct decoder *decoder, enum AVCodecID codec);

/* Room with which a picture of so many samples is not too large; 0 if there is none. */
uint64_t decoder_enough_for_samples(enum AVCodecID codec, uint64_t samples);

/* Whether the stream's pictures are too large for a codec with memory of its own. @enough: set to room that would do, or 0 */
bool decoder_own_is_too_large(const struct decoder *decoder, const AVCodec *codec, uint64_t *enough);

/*
 * Room with which a block for a picture would have been found, while the guest keeps as many pictures. The lock is held.
 *
 * @codec: who wants it, null for a copy for the guest
 */
uint64_t decoder_enough(const struct decoder *decoder, const AVCodecContext *codec, uint64_t size);

/* ---- outputs.c ---- */

/* Sends the decoder's frame to the guest, which leaves it empty. */
void decoder_put_frame(struct decoder *decoder);

/* Sends an error, the end of the stream, or what it is; waits until the ring has room. @needed: as in the protocol */
void decoder_put_error(struct decoder *decoder, enum codec_error error, uint64_t needed);
void decoder_put_end(struct decoder *decoder);
void decoder_put_stream(struct decoder *decoder, const struct codec_stream *stream);

/*
 * Frees the pictures that the guest has returned; the lock is held, but not all the time. Returns false if there were none:
 * then it was held all the time.
 */
bool decoder_take_returns(struct decoder *decoder);

/* ---- waiting.c ---- */

/* Waits until a condition is met. The lock is held, but not all the time. Returns false if the decoder has stopped. */
bool decoder_wait(struct decoder *decoder, decoder_condition *met, void *argument);

/*
 * The same for what comes of pictures that the guest returns. Also ends, without the condition, when the guest sleeps until it gets
 * another one.
 *
 * @met_at_last: whether the condition was met
 */
bool decoder_wait_for_returns(struct decoder *decoder, decoder_condition *met, void *argument, bool *met_at_last);

/* Wakes the guest, if it wants that by now. The lock is held. */
void decoder_tell(struct decoder *decoder);

/* The guest broke the protocol: the decoder stops. The lock is held. */
void decoder_break(struct decoder *decoder, enum codec_broken reason);

/* The guest rings. */
void decoder_doorbell(struct decoder *decoder);

#endif
