/* SPDX-License-Identifier: MIT */
/* The decoder's thread: the stream into libavformat, its packets into libavcodec, pictures out of that. */
#define _GNU_SOURCE
#include "decoder.h"

#include <string.h>

#define ERRORS_MAX 64 /* that libavcodec may return at the end of a stream before it is not asked any more */

/* Tells the guest of pictures that had no room. Returns whether there were any. */
static bool report_lost(struct decoder *decoder)
{
	uint32_t lost;
	uint64_t enough;

	pthread_mutex_lock(&decoder->lock);
	lost = decoder->lost;
	enough = decoder->enough;
	decoder->lost = 0;
	decoder->enough = 0;
	pthread_mutex_unlock(&decoder->lock);
	for (uint32_t number = 0; number < lost; number++)
		decoder_put_error(decoder, CODEC_ERROR_NO_ROOM, enough);
	return lost != 0;
}

/* Whether libavcodec says that a picture refers to one that is missing, and so that there was one. */
static bool is_about_lost_pictures(const char *format)
{
	return strstr(format, "eference picture") || strstr(format, "unref short failure");
}

/*
 * Whether libavcodec says that it drops a slice: of H.264, and mostly that of a picture more than a packet may have. It goes on as if
 * all was well.
 */
static bool is_about_dropped_slices(const char *format)
{
	return strstr(format, "decode_slice_header error") || strstr(format, "Frame num change from");
}

void decoder_hear(void *context, int level, const char *format, va_list arguments)
{
	AVCodecContext *codec = context;
	struct decoder *decoder;

	(void)arguments;
	if (level > AV_LOG_DEBUG || !codec || codec->av_class != avcodec_get_class() ||
	    codec->get_buffer2 != decoder_get_buffer)
		return;
	decoder = codec->opaque;
	if (level <= AV_LOG_ERROR && (is_about_lost_pictures(format) || is_about_dropped_slices(format)))
		__atomic_add_fetch(&decoder->missed, 1, __ATOMIC_RELAXED);
	else if (strncmp(format, "Frame num gap", strlen("Frame num gap")) == 0)
		__atomic_add_fetch(&decoder->gaps, 1, __ATOMIC_RELAXED);
	else if (strncmp(format, "concealing", strlen("concealing")) == 0)
		__atomic_add_fetch(&decoder->concealed, 1, __ATOMIC_RELAXED);
}

/* What has no size may be no video at all, and then that is what is wrong with it. */
static bool is_doubtful(const struct stream *stream)
{
	return stream->pictures == 0 && stream->video->codecpar->width == 0;
}

static void corrupt(struct decoder *decoder)
{
	if (is_doubtful(&decoder->stream))
		decoder->stream.untold = true;
	else
		decoder_put_error(decoder, CODEC_ERROR_CORRUPT, 0);
}

/* Tells the guest that a picture was missing, where it hears of it by nothing else. @told: it has heard */
static void report_missed(struct decoder *decoder, bool told)
{
	uint32_t missed = __atomic_load_n(&decoder->missed, __ATOMIC_RELAXED);
	uint32_t gaps = __atomic_load_n(&decoder->gaps, __ATOMIC_RELAXED);
	/* Before its first picture a stream may begin anywhere: what was before that is not lost. */
	bool lost = missed != decoder->missed_told || (gaps != decoder->gaps_told && decoder->stream.pictures != 0);

	if (lost && !told)
		corrupt(decoder);
	decoder->missed_told = missed;
	decoder->gaps_told = gaps;
}

/* With several threads libavcodec can hand out a picture before it finds that parts are missing, and mark it too late. */
static void report_concealed(struct decoder *decoder)
{
	uint32_t concealed = __atomic_load_n(&decoder->concealed, __ATOMIC_RELAXED);

	if (concealed > decoder->concealed_told)
		corrupt(decoder);
	decoder->concealed_told = concealed;
}

/* Tells the guest what went wrong in libavcodec, if something did. Returns whether it is told something. */
static bool report(struct decoder *decoder, int result)
{
	uint64_t enough;

	if (report_lost(decoder))
		return true;
	if (result >= 0)
		return false;
	switch (result) {
	case AVERROR(EAGAIN):
	case AVERROR_EOF:
	case NO_ROOM: /* the guest knows */
		return false;
	case AVERROR(ERANGE): /* libdav1d: larger than max_pixels */
		decoder_own_is_too_large(decoder, decoder->stream.codec->codec, &enough);
		decoder_put_error(decoder, CODEC_ERROR_NO_ROOM, enough);
		break;
	case AVERROR(ENOMEM):
	case AVERROR_EXTERNAL:
	case AVERROR_BUG:
		decoder_put_error(decoder, CODEC_ERROR_HOST, 0);
		break;
	default:
		corrupt(decoder);
	}
	return true;
}

/* Gives libavcodec a packet, null if it has it already, and takes a picture. Returns 1 if there is one, 0 if not, or an error. */
static int step(struct decoder *decoder, AVPacket *packet, bool drains)
{
	AVCodecContext *codec = decoder->stream.codec;
	int result;

	if (packet || drains) {
		result = avcodec_send_packet(codec, packet);
		if (result < 0 && result != AVERROR_EOF)
			return result;
	}
	result = avcodec_receive_frame(codec, decoder->frame);
	if (result == AVERROR(EAGAIN))
		return 0;
	return result < 0 ? result : 1;
}

/* A picture has come out. */
static void show(struct decoder *decoder, bool drains)
{
	struct stream *stream = &decoder->stream;
	AVFrame *frame = decoder->frame;

	timing_picture(&stream->timing, frame, drains);
	if (stream->video->sample_aspect_ratio.num)
		frame->sample_aspect_ratio = stream->video->sample_aspect_ratio;
	stream_tell(decoder, frame);
	stream->pictures++;
	if (stream->untold)
		corrupt(decoder);
	stream->untold = false;
	decoder_put_frame(decoder);
	report_lost(decoder); /* its copy may have had no room */
}

/*
 * Decodes a packet, or one more of what is left at the end if that is null. In the steps that ffmpeg takes: damage and times have
 * the same effects then. Returns less than 0 if something went wrong; AVERROR_EOF if nothing is left.
 */
static int decode(struct decoder *decoder, AVPacket *packet)
{
	struct stream *stream = &decoder->stream;
	bool drains = !packet, again = false, told = false;
	int result;

	timing_packet(&stream->timing, stream->video, stream->codec, packet);
	do {
		int64_t dts = timing_step(&stream->timing, stream->video, drains);

		if (packet)
			packet->dts = dts;
		/* Some containers have packets of nothing, where the encoder has left out a picture. */
		result = packet && !again && packet->size == 0 ? 0 : step(decoder, again ? NULL : packet, drains);
		if (stream->codec->codec_id == AV_CODEC_ID_H264)
			stream->video->codecpar->video_delay =
				FFMAX(stream->video->codecpar->video_delay, stream->codec->has_b_frames);
		told |= report(decoder, result);
		if (result > 0) {
			if (picture_is_corrupt(decoder->frame)) {
				decoder->concealed_told++;
				told = true;
			}
			show(decoder, drains);
		}
		if (!again || drains || result > 0)
			timing_advance(&stream->timing, stream->video, stream->codec, packet);
		again = true;
	} while (packet && result > 0 && !decoder_has_stopped(decoder));
	report_missed(decoder, told);
	return result;
}

static void decode_rest(struct decoder *decoder)
{
	int result, errors = 0;

	do {
		result = decode(decoder, NULL);
		if (result < 0)
			errors++;
	} while (result != AVERROR_EOF && errors < ERRORS_MAX && !decoder_has_stopped(decoder));
}

/* Returns false if it is too early to tell. */
static bool put_input_error(struct decoder *decoder)
{
	if (is_doubtful(&decoder->stream))
		return false;
	decoder_put_error(decoder, CODEC_ERROR_INPUT, 0);
	return true;
}

/* Reads packets to the end, or to where there is no way on. */
static void decode_all(struct decoder *decoder)
{
	struct stream *stream = &decoder->stream;
	AVPacket *packet = decoder->packet;
	bool cut = false, untold = false;
	int result;

	for (;;) {
		result = stream_read(decoder, packet);
		if (result < 0 || decoder_has_stopped(decoder))
			break;
		if (packet->flags & AV_PKT_FLAG_CORRUPT) {
			untold = !put_input_error(decoder);
			cut = true;
		}
		decode(decoder, packet);
		av_packet_unref(packet);
	}
	av_packet_unref(packet);
	if (result == AVERROR(ENOMEM))
		decoder_put_error(decoder, CODEC_ERROR_HOST, 0);
	else if (result < 0 && result != AVERROR_EOF && !cut)
		untold = !put_input_error(decoder);
	decode_rest(decoder);
	report_concealed(decoder);
	if (is_doubtful(stream))
		decoder_put_error(decoder, CODEC_ERROR_UNKNOWN, 0);
	else if (untold)
		decoder_put_error(decoder, CODEC_ERROR_INPUT, 0);
}

static void decode_stream(struct decoder *decoder)
{
	uint64_t needed = 0;
	enum codec_error wrong = stream_open(decoder, &needed);

	if (wrong == 0)
		decode_all(decoder);
	else
		decoder_put_error(decoder, wrong, needed);
	stream_close(decoder);
}

void *decoder_work(void *argument)
{
	struct decoder *decoder = argument;

	pthread_setname_np(pthread_self(), "codec");
	while (input_begin(decoder)) {
		if (!decoder->input.ended)
			decode_stream(decoder);
		input_skip(decoder);
		decoder_put_end(decoder);
	}
	decoder_leave(decoder);
	return NULL;
}
