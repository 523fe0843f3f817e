/* SPDX-License-Identifier: MIT */
/* Memory for pictures, when libavcodec asks for it, on any of its threads. */
#include "decoder.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>

#define PICTURE_SHARE 4 /* of the area's bytes, how many for a sample of each picture */

struct request {
	struct decoder_area *where;
	uint64_t size;
	unsigned char *block; /* null if there is nothing to hope for */
};

static bool has_room(struct decoder *decoder, void *argument)
{
	struct request *request = argument;

	(void)decoder;
	request->block = frame_area_take(&request->where->area, request->size);
	return request->block || request->where->area.lent == 0 || request->size > request->where->area.size;
}

static unsigned char *take(struct decoder *decoder, struct decoder_area *where, uint64_t size)
{
	struct request request = { .where = where, .size = size };

	pthread_mutex_lock(&decoder->lock);
	if (decoder_wait(decoder, has_room, &request) && !request.block)
		decoder->needed = size;
	pthread_mutex_unlock(&decoder->lock);
	return request.block;
}

/* The last reference to a picture is gone; on any thread. */
static void give_back(void *area, uint8_t *block)
{
	struct decoder_area *where = area;

	pthread_mutex_lock(&where->decoder->lock);
	frame_area_give_back(&where->area, block);
	pthread_cond_broadcast(&where->decoder->changed);
	pthread_mutex_unlock(&where->decoder->lock);
}

bool decoder_fill_frame(struct decoder *decoder, struct decoder_area *where,
			const struct picture_layout *layout, AVFrame *frame)
{
	unsigned char *block = take(decoder, where, layout->size);

	if (!block)
		return false;
	frame->buf[0] = av_buffer_create(block, layout->size, give_back, where, 0);
	if (!frame->buf[0]) {
		give_back(where, block);
		return false;
	}
	picture_place(frame, layout, block);
	return true;
}

int decoder_get_buffer(AVCodecContext *codec, AVFrame *frame, int flags)
{
	struct decoder *decoder = codec->opaque;
	struct picture_layout layout;
	struct decoder_area *where;

	/* A codec that can not use memory of others must not be given any. */
	if (!(codec->codec->capabilities & AV_CODEC_CAP_DR1))
		return avcodec_default_get_buffer2(codec, frame, flags);
	if (!picture_layout_for(codec, frame, &layout))
		return AVERROR(EINVAL);
	where = picture_is_harmless(frame->format) ? &decoder->shared : &decoder->hidden;
	return decoder_fill_frame(decoder, where, &layout, frame) ? 0 : NO_ROOM;
}

/*
 * Codecs take memory for what goes with a picture, several bytes for each sample in each thread, before they ask for the picture's.
 * Where there is no room for two pictures and a half they need not begin.
 */
static bool is_too_large(struct decoder *decoder, enum AVPixelFormat format, int width, int height)
{
	uint64_t samples = (uint64_t)width * (uint64_t)height;
	int bytes;

	if (width <= 0 || height <= 0 || samples <= decoder->setup.frames_size / PICTURE_SHARE)
		return false;
	bytes = av_image_get_buffer_size(format, width, height, 1);
	pthread_mutex_lock(&decoder->lock);
	decoder->needed = bytes > 0 ? (uint64_t)bytes : samples;
	pthread_mutex_unlock(&decoder->lock);
	return true;
}

enum AVPixelFormat decoder_get_format(AVCodecContext *codec, const enum AVPixelFormat *formats)
{
	/* The first that is not a graphics card's. */
	for (; *formats != AV_PIX_FMT_NONE; formats++) {
		if (!(av_pix_fmt_desc_get(*formats)->flags & AV_PIX_FMT_FLAG_HWACCEL))
			break;
	}
	return is_too_large(codec->opaque, *formats, codec->coded_width, codec->coded_height) ? AV_PIX_FMT_NONE : *formats;
}
