/* SPDX-License-Identifier: MIT */
/* What goes to the guest, and pictures that come back. */
#include "decoder.h"

#include <libavutil/imgutils.h>

/* The area in which a picture's memory is, or null if it is elsewhere. */
static struct decoder_area *area_of(struct decoder *decoder, const AVFrame *frame)
{
	struct decoder_area *areas[] = { &decoder->shared, &decoder->hidden };

	for (int index = 0; index < 2; index++) {
		if (frame->buf[0] && frame_area_contains(&areas[index]->area, frame->buf[0]->data))
			return areas[index];
	}
	return NULL;
}

/* A picture leaves the codec, or was given back. @where: the area in which it lies, null if it is elsewhere */
static void lend(struct decoder *decoder, struct decoder_area *where, int change)
{
	if (!where)
		return;
	pthread_mutex_lock(&decoder->lock);
	where->area.lent += change;
	if (change < 0)
		pthread_cond_broadcast(&decoder->changed);
	pthread_mutex_unlock(&decoder->lock);
}

static bool has_space(struct decoder *decoder, void *unused)
{
	uint32_t outputs = rings_outputs(&decoder->rings);

	(void)unused;
	if (outputs > CODEC_RING_ENTRIES)
		decoder_break(decoder, CODEC_BROKEN_OUTPUTS);
	return outputs < CODEC_RING_ENTRIES;
}

static bool has_space_and_token(struct decoder *decoder, void *unused)
{
	return has_space(decoder, unused) && decoder->out_count < CODEC_RING_ENTRIES;
}

/* The lock is held. */
static void write_output(struct decoder *decoder, const void *output)
{
	rings_put_output(&decoder->rings, output);
	decoder->progress++;
	decoder_tell(decoder);
}

static void put(struct decoder *decoder, const void *output, bool is_error)
{
	pthread_mutex_lock(&decoder->lock);
	if (decoder_wait(decoder, has_space, NULL)) {
		decoder->error_news |= is_error;
		write_output(decoder, output);
	}
	pthread_mutex_unlock(&decoder->lock);
}

void decoder_put_error(struct decoder *decoder, enum codec_error error, uint64_t needed)
{
	put(decoder, &(struct codec_output){ .type = CODEC_OUTPUT_ERROR, .error = error, .needed = needed }, true);
}

void decoder_put_end(struct decoder *decoder)
{
	put(decoder, &(struct codec_output){ .type = CODEC_OUTPUT_END }, false);
}

void decoder_put_stream(struct decoder *decoder, const struct codec_stream *stream)
{
	put(decoder, stream, false);
}

/*
 * Gives the guest a picture that lies in the object. Returns false if the decoder has stopped.
 *
 * @kept: set if the guest keeps as many as there can be, and waits for another: it does not get this one
 */
static bool put_picture(struct decoder *decoder, AVFrame *frame, bool *kept)
{
	struct codec_output output;
	bool going, can;

	picture_describe(frame, decoder->object, &output);
	pthread_mutex_lock(&decoder->lock);
	going = decoder_wait_for_returns(decoder, has_space_and_token, NULL, &can);
	*kept = going && !can;
	if (going && can) {
		while (decoder->out[output.token])
			output.token++;
		decoder->out[output.token] = frame;
		decoder->out_count++;
		write_output(decoder, &output);
	}
	pthread_mutex_unlock(&decoder->lock);
	return going;
}

/* Gives the guest a picture that lies in the object, or frees it. */
static void put_or_free(struct decoder *decoder, AVFrame *frame)
{
	bool kept;

	lend(decoder, &decoder->shared, 1);
	if (put_picture(decoder, frame, &kept) && !kept)
		return;
	av_frame_free(&frame);
	lend(decoder, &decoder->shared, -1);
	if (kept)
		decoder_put_error(decoder, CODEC_ERROR_KEPT, 0);
}

/* Copies a picture into the object. Returns null, and says so to the guest, if that is not possible. */
static AVFrame *copy(struct decoder *decoder, const AVFrame *frame)
{
	struct picture_layout layout;
	AVFrame *copied = av_frame_alloc();

	if (!copied || !picture_layout_of(frame, &layout)) {
		decoder_put_error(decoder, CODEC_ERROR_HOST, 0);
		goto fail;
	}
	copied->format = frame->format;
	copied->width = frame->width;
	copied->height = frame->height;
	if (av_frame_copy_props(copied, frame) < 0) {
		decoder_put_error(decoder, CODEC_ERROR_HOST, 0);
		goto fail;
	}
	if (!decoder_fill_frame(decoder, &decoder->shared, NULL, &layout, copied))
		goto fail; /* the worker says why */
	av_image_copy(copied->data, copied->linesize, (const uint8_t **)frame->data, frame->linesize, frame->format,
		      frame->width, frame->height);
	return copied;

fail:
	av_frame_free(&copied);
	return NULL;
}

/*
 * Drops what the stream says beside the picture. That can be as long as a packet, in the host's own memory, and a guest may keep
 * its pictures for as long as it likes.
 */
static void strip(AVFrame *frame)
{
	while (frame->nb_side_data > 0)
		av_frame_remove_side_data(frame, frame->side_data[0]->type);
	av_dict_free(&frame->metadata);
}

void decoder_put_frame(struct decoder *decoder)
{
	AVFrame *frame = decoder->frame, *sent;
	struct decoder_area *where;

	strip(frame);

	if (!picture_is_known(frame->format)) {
		av_frame_unref(frame);
		decoder_put_error(decoder, CODEC_ERROR_FORMAT, 0);
		return;
	}

	where = area_of(decoder, frame);
	if (where == &decoder->shared) {
		sent = av_frame_alloc();
		if (sent) {
			av_frame_move_ref(sent, frame);
		} else {
			av_frame_unref(frame);
			decoder_put_error(decoder, CODEC_ERROR_HOST, 0);
		}
	} else {
		lend(decoder, where, 1);
		sent = copy(decoder, frame);
		/* The block first: who waits for it must not see that nothing is lent, and no room yet. */
		av_frame_unref(frame);
		lend(decoder, where, -1);
	}
	if (sent)
		put_or_free(decoder, sent);
}

/* Takes what the guest has returned out of the table. Returns how many; the lock is held. */
static uint32_t take(struct decoder *decoder, AVFrame *returned[CODEC_RING_ENTRIES])
{
	uint32_t count = rings_returns(&decoder->rings);

	if (count > decoder->out_count) {
		decoder_break(decoder, CODEC_BROKEN_RETURNS);
		return 0;
	}
	for (uint32_t index = 0; index < count; index++) {
		uint32_t token = rings_take_return(&decoder->rings);

		if (token >= CODEC_RING_ENTRIES || !decoder->out[token]) {
			decoder_break(decoder, CODEC_BROKEN_RETURNS);
			return index;
		}
		returned[index] = decoder->out[token];
		decoder->out[token] = NULL;
		decoder->out_count--;
	}
	return count;
}

bool decoder_take_returns(struct decoder *decoder)
{
	AVFrame *returned[CODEC_RING_ENTRIES];
	uint32_t count = decoder->stopped ? 0 : take(decoder, returned);

	if (count == 0)
		return false;

	/* Freeing calls back, and takes the lock there. */
	pthread_mutex_unlock(&decoder->lock);
	for (uint32_t index = 0; index < count; index++)
		av_frame_free(&returned[index]);
	pthread_mutex_lock(&decoder->lock);
	decoder->shared.area.lent -= count;
	decoder->starved = false;
	pthread_cond_broadcast(&decoder->changed);
	return true;
}
