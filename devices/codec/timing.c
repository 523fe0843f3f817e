/* SPDX-License-Identifier: MIT */
/* When each picture is to be shown. */
#include "timing.h"

#include <libavutil/mathematics.h>

/* A jump of more than 30 hours is a fault of the container's, not of the time. */
#define JUMP_MAX (30ll * 3600 * AV_TIME_BASE)

static int64_t plus(int64_t left, int64_t right)
{
	int64_t sum;

	return __builtin_add_overflow(left, right, &sum) ? AV_NOPTS_VALUE : sum;
}

/* ffmpeg multiplies each time by a number, which is 1: of more than 53 bits the last are lost, and there may be nothing left. */
static int64_t scaled(int64_t time)
{
	double value = (double)time;

	return value < 0x1p63 ? (int64_t)value : AV_NOPTS_VALUE;
}

static bool jumps(int64_t from, int64_t to)
{
	int64_t step;

	return __builtin_sub_overflow(to, from, &step) || step < -JUMP_MAX || step > JUMP_MAX;
}

static int64_t to_microseconds(int64_t time, const AVStream *stream)
{
	return av_rescale_q_rnd(time, stream->time_base, AV_TIME_BASE_Q, AV_ROUND_NEAR_INF | AV_ROUND_PASS_MINMAX);
}

void timing_start(struct timing *timing, const AVFormatContext *format)
{
	*timing = (struct timing){
		.dts = AV_NOPTS_VALUE,
		.next_dts = AV_NOPTS_VALUE,
		.offset = format->start_time != AV_NOPTS_VALUE ? -format->start_time : 0,
	};
}

void timing_packet(struct timing *timing, const AVStream *stream, const AVCodecContext *codec, AVPacket *packet)
{
	int64_t offset = av_rescale_q(timing->offset, AV_TIME_BASE_Q, stream->time_base);
	int64_t dts = AV_NOPTS_VALUE;

	if (packet && packet->dts != AV_NOPTS_VALUE)
		packet->dts = scaled(plus(packet->dts, offset));
	if (packet && packet->pts != AV_NOPTS_VALUE)
		packet->pts = scaled(plus(packet->pts, offset));
	if (packet)
		dts = to_microseconds(packet->dts, stream);
	if (dts != AV_NOPTS_VALUE && timing->next_dts != AV_NOPTS_VALUE) {
		if (jumps(timing->next_dts, dts))
			packet->dts = AV_NOPTS_VALUE;
		if (packet->pts != AV_NOPTS_VALUE && jumps(timing->next_dts, to_microseconds(packet->pts, stream)))
			packet->pts = AV_NOPTS_VALUE;
	}

	if (!timing->begun) {
		/* What is shown first is decoded as much earlier as pictures are held back. */
		timing->dts = stream->avg_frame_rate.num
				      ? -codec->has_b_frames * AV_TIME_BASE / av_q2d(stream->avg_frame_rate)
				      : 0;
		timing->begun = true;
	}
	if (timing->next_dts == AV_NOPTS_VALUE)
		timing->next_dts = timing->dts;
	if (packet && packet->dts != AV_NOPTS_VALUE)
		timing->next_dts = timing->dts = to_microseconds(packet->dts, stream);
}

int64_t timing_step(struct timing *timing, const AVStream *stream, bool drains)
{
	int64_t dts = AV_NOPTS_VALUE;

	timing->dts = timing->next_dts;
	if (timing->dts != AV_NOPTS_VALUE)
		dts = av_rescale_q(timing->dts, AV_TIME_BASE_Q, stream->time_base);
	if (drains && timing->drained_count < TIMING_DRAINED_MAX)
		timing->drained[timing->drained_count++] = dts;
	return dts;
}

static int ticks_of(const AVCodecContext *codec)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored \
	"-Wdeprecated-declarations" /* newer versions tell it by the codec's properties, to the same effect */
	return codec->ticks_per_frame > 0 ? codec->ticks_per_frame : 1;
#pragma GCC diagnostic pop
}

void timing_advance(struct timing *timing, const AVStream *stream, const AVCodecContext *codec, const AVPacket *packet)
{
	const AVCodecParserContext *parser = av_stream_get_parser(stream);
	int64_t duration = 0;

	if (packet && packet->duration) {
		duration = av_rescale_q(packet->duration, stream->time_base, AV_TIME_BASE_Q);
	} else if (codec->framerate.num != 0 && codec->framerate.den != 0) {
		int ticks = parser ? parser->repeat_pict + 1 : ticks_of(codec);

		duration =
			(int64_t)AV_TIME_BASE * codec->framerate.den * ticks / codec->framerate.num / ticks_of(codec);
	}
	timing->next_dts = timing->dts != AV_NOPTS_VALUE && duration != 0 ? plus(timing->next_dts, duration)
									  : AV_NOPTS_VALUE;
}

void timing_picture(struct timing *timing, AVFrame *frame, bool drains)
{
	int64_t time = frame->best_effort_timestamp;

	if (drains && time == AV_NOPTS_VALUE && timing->drained_count > 0) {
		time = timing->drained[0];
		timing->drained_count--;
		for (uint32_t number = 0; number < timing->drained_count; number++)
			timing->drained[number] = timing->drained[number + 1];
	}
	if (time != AV_NOPTS_VALUE)
		frame->pts = time;
}

int64_t timing_duration(const AVFrame *frame)
{
#if LIBAVUTIL_VERSION_MAJOR < 58
	return frame->pkt_duration;
#else
	return frame->duration;
#endif
}
