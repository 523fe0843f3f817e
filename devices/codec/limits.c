/* SPDX-License-Identifier: MIT */
/*
 * How large pictures may be, and how much room is enough. What a decoder takes of the host's own memory grows with the room for
 * pictures that its guest gives: the same again for pictures that the guest must not touch, and a few times as much for what codecs
 * keep about each picture.
 */
#include "decoder.h"

#include <libavutil/imgutils.h>

/* Room counts up to what the largest pictures need. */
#define ROOM_COUNTED (1ull << 30)

/*
 * Codecs take memory for what goes with a picture, several bytes for each sample in each thread, before they ask for the picture's.
 * Where there is no room for two pictures and a half they need not begin.
 */
#define SHARE 4 /* of the room's bytes, how many for a sample of each picture */

/*
 * Codecs with memory of their own (AV1's) keep 8 pictures and a few more that are being decoded. So many of the largest
 * together take about as much as the guest has given.
 */
#define OWN_PICTURES 16

#define VP9_REFERENCES 8

/* Those that codecs refer to for a while longer than they need to, the one that is being shown, and one more of each. */
#define SPARE 4

uint64_t decoder_room(const struct codec_setup *setup)
{
	return FFMIN(setup->frames_size, ROOM_COUNTED);
}

bool decoder_has_own_memory(const AVCodec *codec)
{
	return !(codec->capabilities & AV_CODEC_CAP_DR1) || codec->id == AV_CODEC_ID_AV1;
}

int64_t decoder_samples_max(const struct decoder *decoder, enum AVCodecID codec)
{
	uint64_t samples = codec == AV_CODEC_ID_AV1 ? decoder_room(&decoder->setup) / OWN_PICTURES
						    : decoder->setup.frames_size / SHARE;

	return (int64_t)FFMAX(samples, 1u); /* 0 is no limit for libdav1d */
}

uint64_t decoder_enough_for_samples(enum AVCodecID codec, uint64_t samples)
{
	if (codec != AV_CODEC_ID_AV1)
		return samples * SHARE;
	return samples * OWN_PICTURES <= ROOM_COUNTED ? samples * OWN_PICTURES : 0;
}

bool decoder_own_is_too_large(const struct decoder *decoder, const AVCodec *codec, uint64_t *enough)
{
	const struct stream *stream = &decoder->stream;
	const AVCodecParameters *known = stream->video->codecpar;
	const AVCodecParserContext *parser = av_stream_get_parser(stream->video);
	uint64_t samples = FFMAX(stream->said, (uint64_t)FFMAX(known->width, 0) * (uint64_t)FFMAX(known->height, 0));

	*enough = 0;
	if (!decoder_has_own_memory(codec))
		return false;
	if (parser && parser->width > 0 && parser->height > 0)
		samples = FFMAX(samples, (uint64_t)parser->width * (uint64_t)parser->height);
	if (samples > (uint64_t)decoder_samples_max(decoder, codec->id))
		*enough = decoder_enough_for_samples(codec->id, samples);
	else if (known->width > 0)
		return false;
	/* Where nobody knows the size, that is what the limit has led to. */
	return true;
}

/* How many pictures a codec may have at the same time. */
static uint32_t pictures_of(const AVCodecContext *codec)
{
	uint32_t threads = codec->active_thread_type & FF_THREAD_FRAME ? FFMAX(codec->thread_count, 1) : 1;
	uint32_t references = codec->codec_id == AV_CODEC_ID_H264 ? FFMAX(codec->refs, 1) : VP9_REFERENCES;

	/* Each thread refers to what was needed for the picture before its own, until it gets the next. */
	return references + (uint32_t)FFMAX(codec->has_b_frames, 0) + 2 * threads + SPARE;
}

uint64_t decoder_enough(const struct decoder *decoder, const AVCodecContext *codec, uint64_t size)
{
	const struct frame_area *area = &decoder->shared.area;
	uint64_t largest = FFMAX(frame_area_largest(area), size);
	uint64_t pictures = area->lent + SPARE + (codec ? pictures_of(codec) : 0);
	uint64_t enough = pictures * largest;

	/* Between blocks of several sizes there can be room that is of no use. */
	if (area->count != 0 && !frame_area_is_even(area, size))
		enough *= 2;
	return FFMAX(enough, decoder->setup.frames_size + largest);
}
