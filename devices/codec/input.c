/* SPDX-License-Identifier: MIT */
/* The bytes of a stream, as libavformat reads them: out of the ring of chunks. */
#include "decoder.h"

#include <string.h>

static bool has_chunk(struct decoder *decoder, void *unused)
{
	uint32_t chunks = rings_chunks(&decoder->rings);

	(void)unused;
	if (chunks > CODEC_RING_ENTRIES)
		decoder_break(decoder, CODEC_BROKEN_CHUNKS);
	return chunks != 0;
}

static bool is_end(const struct codec_chunk *chunk)
{
	return chunk->flags & CODEC_CHUNK_END;
}

static bool is_good(const struct codec_setup *setup, const struct codec_chunk *chunk)
{
	if (is_end(chunk))
		return chunk->size == 0;
	return chunk->size != 0 && chunk->size <= CODEC_CHUNK_MAX && chunk->size <= setup->data_size &&
	       chunk->offset >= setup->data_offset &&
	       chunk->offset - setup->data_offset <= setup->data_size - chunk->size;
}

static void take_chunk(struct decoder *decoder)
{
	pthread_mutex_lock(&decoder->lock);
	rings_take_chunk(&decoder->rings);
	decoder->progress++;
	decoder_tell(decoder);
	pthread_mutex_unlock(&decoder->lock);
}

/* Sees to it that there are bytes to read, or the end. Returns false if the decoder has stopped. */
static bool next_chunk(struct decoder *decoder)
{
	struct input *input = &decoder->input;
	struct codec_chunk chunk;
	bool going;

	if (input->ended || input->used < input->chunk.size)
		return true;

	pthread_mutex_lock(&decoder->lock);
	going = decoder_wait(decoder, has_chunk, NULL);
	if (going) {
		rings_peek_chunk(&decoder->rings, &chunk);
		if (!is_good(&decoder->setup, &chunk)) {
			decoder_break(decoder, CODEC_BROKEN_CHUNK);
			going = false;
		}
	}
	pthread_mutex_unlock(&decoder->lock);
	if (!going)
		return false;
	if (is_end(&chunk)) {
		input->ended = true;
		take_chunk(decoder);
	} else {
		input->chunk = chunk;
		input->used = 0;
	}
	return true;
}

bool input_begin(struct decoder *decoder)
{
	struct input *input = &decoder->input;

	input->ended = false;
	input->allowed = 0;
	input->peeked_count = input->peeked_used = 0;
	return next_chunk(decoder);
}

/*
 * The one copy that is ever read: the guest can change its bytes at any time, and libavformat and codecs read theirs more than
 * once.
 */
static int read_chunk(struct decoder *decoder, uint8_t *buffer, int size)
{
	struct input *input = &decoder->input;
	uint32_t left;

	if (!next_chunk(decoder))
		return AVERROR_EXIT;
	if (input->ended)
		return AVERROR_EOF;
	left = input->chunk.size - input->used;
	if ((uint32_t)size > left)
		size = (int)left;
	memcpy(buffer, decoder->object + input->chunk.offset + input->used, size);
	input->used += size;
	if (input->used == input->chunk.size)
		take_chunk(decoder);
	return size;
}

int input_peek(struct decoder *decoder, unsigned char bytes[INPUT_PEEK_MAX])
{
	struct input *input = &decoder->input;
	int count;

	while (input->peeked_count < INPUT_PEEK_MAX) {
		count = read_chunk(decoder, input->peeked + input->peeked_count, INPUT_PEEK_MAX - input->peeked_count);
		if (count < 0)
			break;
		input->peeked_count += count;
	}
	memcpy(bytes, input->peeked, input->peeked_count);
	return input->peeked_count;
}

void input_allow(struct decoder *decoder, uint64_t bytes)
{
	decoder->input.allowed = bytes;
}

int input_read(void *argument, uint8_t *buffer, int size)
{
	struct decoder *decoder = argument;
	struct input *input = &decoder->input;
	int peeked = input->peeked_count - input->peeked_used;

	if (size <= 0)
		return AVERROR(EINVAL);
	if (peeked > 0) {
		size = FFMIN(size, peeked);
		memcpy(buffer, input->peeked + input->peeked_used, size);
		input->peeked_used += size;
		return size;
	}
	if (input->allowed == 0)
		return INPUT_TOO_LONG;
	size = read_chunk(decoder, buffer, (int)FFMIN((uint64_t)size, input->allowed));
	if (size > 0)
		input->allowed -= size;
	return size;
}

void input_skip(struct decoder *decoder)
{
	struct input *input = &decoder->input;

	while (next_chunk(decoder) && !input->ended) {
		input->used = input->chunk.size;
		take_chunk(decoder);
	}
}
