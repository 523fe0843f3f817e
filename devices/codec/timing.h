/* SPDX-License-Identifier: MIT */
/*
 * When each picture is to be shown. libavformat and libavcodec tell timestamps where a stream has some; a byte stream of H.264 has
 * none, and containers lie. What remains is decided as the program ffmpeg (5.1) decides it, so that the same stream has the same
 * times: the decoding time of each packet is guessed from the one before, and a picture has libavcodec's best guess.
 */
#ifndef CODEC_TIMING_H
#define CODEC_TIMING_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>

#define TIMING_DRAINED_MAX 64

struct timing {
	bool begun;
	int64_t dts; /* of the present packet, in microseconds */
	int64_t next_dts;
	int64_t offset; /* added to all timestamps, in microseconds: what makes the stream begin at 0 */
	int64_t drained[TIMING_DRAINED_MAX]; /* times for pictures that come out at the end and have none */
	uint32_t drained_count;
};

/* Begins a stream whose demuxer has told all that it knows. */
void timing_start(struct timing *timing, const AVFormatContext *format);

/* A packet was read: corrects its timestamps. @packet: null at the end, once for each picture that comes out then */
void timing_packet(struct timing *timing, const AVStream *stream, const AVCodecContext *codec, AVPacket *packet);

/* The packet is decoded now, or goes on being: the decoding time for libavcodec, in the stream's units. */
int64_t timing_step(struct timing *timing, const AVStream *stream, bool drains);

/* The packet has been given to libavcodec: when the next one is due. */
void timing_advance(struct timing *timing, const AVStream *stream, const AVCodecContext *codec, const AVPacket *packet);

/* Gives a picture its time. */
void timing_picture(struct timing *timing, AVFrame *frame, bool drains);

/* For how long a picture is shown, in the stream's units; 0 = not known. */
int64_t timing_duration(const AVFrame *frame);

#endif
