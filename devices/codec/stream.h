/* SPDX-License-Identifier: MIT */
/* One stream: libavformat's demuxer over the input, and libavcodec's decoder. All of it belongs to the worker. */
#ifndef CODEC_STREAM_H
#define CODEC_STREAM_H

#include "codec_protocol.h"
#include "timing.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

struct decoder;

struct stream {
	AVIOContext *io;
	AVFormatContext *format;
	AVStream *video; /* its only one */
	AVCodecContext *codec;
	uint64_t said; /* samples of a picture, as the container's header says */
	struct timing timing;
	struct codec_stream told; /* what the guest knows of it */
	int width; /* of the last picture */
	int height;
	int pixel_format;
	uint64_t pictures;
	bool untold; /* something was damaged, of which the guest was not told yet */
	uint32_t probed; /* packets that libavformat has read to find out what the stream is */
	bool probing;
};

/*
 * Finds out what the stream is, and opens what it takes. Returns what went wrong, or 0. stream_close is needed in any case.
 *
 * @needed: set to what the protocol has for the error
 */
enum codec_error stream_open(struct decoder *decoder, uint64_t *needed);

void stream_close(struct decoder *decoder);

/* Tells the guest what the stream is, unless it knows. @frame: the next picture, null if there is none yet */
void stream_tell(struct decoder *decoder, const AVFrame *frame);

/* Reads a packet, of up to CODEC_PACKET_MAX bytes. */
int stream_read(struct decoder *decoder, AVPacket *packet);

#endif
