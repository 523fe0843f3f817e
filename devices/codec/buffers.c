/* SPDX-License-Identifier: MIT */
/* Memory for pictures, when libavcodec asks for it, on any of its threads. */
#include "decoder.h"

#include <libavutil/pixdesc.h>

struct request {
	struct decoder_area *where;
	uint64_t size;
	unsigned char *block; /* null if there is nothing to hope for */
};

static bool has_room(struct decoder *decoder, void *argument)
{
	struct request *request = argument;

	request->block = frame_area_take(&request->where->area, request->size);
	if (request->block)
		decoder->progress++;
	return request->block || request->where->area.lent == 0 || request->size > request->where->area.size;
}

/* A picture is lost: the worker tells the guest. The lock is held. */
static void lose(struct decoder *decoder, uint64_t enough)
{
	decoder->lost++;
	decoder->enough = FFMAX(decoder->enough, enough);
}

static unsigned char *take(struct decoder *decoder, struct decoder_area *where, const AVCodecContext *codec,
			   uint64_t size)
{
	struct request request = { .where = where, .size = size };
	bool met;

	pthread_mutex_lock(&decoder->lock);
	if (decoder_wait_for_returns(decoder, has_room, &request, &met) && !request.block)
		lose(decoder, decoder_enough(decoder, codec, size));
	pthread_mutex_unlock(&decoder->lock);
	return request.block;
}

/* The last reference to a picture is gone; on any thread. */
static void give_back(void *area, uint8_t *block)
{
	struct decoder_area *where = area;

	pthread_mutex_lock(&where->decoder->lock);
	frame_area_give_back(&where->area, block);
	where->decoder->progress++;
	pthread_cond_broadcast(&where->decoder->changed);
	pthread_mutex_unlock(&where->decoder->lock);
}

bool decoder_fill_frame(struct decoder *decoder, struct decoder_area *where, const AVCodecContext *codec,
			const struct picture_layout *layout, AVFrame *frame)
{
	unsigned char *block = take(decoder, where, codec, layout->size);

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
	return decoder_fill_frame(decoder, where, codec, &layout, frame) ? 0 : NO_ROOM;
}

static bool is_too_large(struct decoder *decoder, const AVCodecContext *codec)
{
	uint64_t samples = (uint64_t)codec->coded_width * (uint64_t)codec->coded_height;

	if (codec->coded_width <= 0 || codec->coded_height <= 0 ||
	    samples <= (uint64_t)decoder_samples_max(decoder, codec->codec_id))
		return false;
	pthread_mutex_lock(&decoder->lock);
	/* As many pictures as the codec needs take more than that: two bytes for each sample are those of most. */
	lose(decoder,
	     FFMAX(decoder_enough_for_samples(codec->codec_id, samples), decoder_enough(decoder, codec, samples * 2)));
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
	return is_too_large(codec->opaque, codec) ? AV_PIX_FMT_NONE : *formats;
}
