/* SPDX-License-Identifier: MIT */
/* The guest: sends bytes when those before were taken, gives pictures back at once. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint32_t chunks_written, outputs_taken, returns_written;
uint64_t frames, errors, ends;
uint64_t chunk_max = DATA_SIZE;

static uint32_t *word(uint32_t offset)
{
	return (uint32_t *)(object + offset);
}

static void ring(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(word(CODEC_DEVICE_WAITS), 0, __ATOMIC_SEQ_CST))
		on_instance_ping_sized(1, CODEC_DOORBELL, 0, NULL, 0, 0);
}

static void write_rows(const struct codec_output *output)
{
	for (uint32_t plane = 0; plane < output->planes; plane++) {
		uint32_t width = output->width, height = output->height, bytes = (output->bits + 7) / 8;

		if (plane == 1 || plane == 2) {
			width = (width + (1u << output->chroma_shift_x) - 1) >> output->chroma_shift_x;
			height = (height + (1u << output->chroma_shift_y) - 1) >> output->chroma_shift_y;
		}
		for (uint32_t row = 0; row < height; row++)
			fwrite(object + output->plane[plane] + (uint64_t)row * output->stride[plane], bytes, width,
			       stdout);
	}
}

/* Takes an output, if there is one. */
static bool take(bool print)
{
	struct codec_output output;

	if (__atomic_load_n(word(CODEC_OUTPUTS_WRITTEN), __ATOMIC_ACQUIRE) == outputs_taken)
		return false;
	memcpy(&output, object + CODEC_OUTPUTS + outputs_taken % CODEC_RING_ENTRIES * sizeof(output), sizeof(output));
	__atomic_store_n(word(CODEC_OUTPUTS_TAKEN), ++outputs_taken, __ATOMIC_RELEASE);
	switch (output.type) {
	case CODEC_OUTPUT_FRAME:
		frames++;
		if (print)
			write_rows(&output);
		word(CODEC_RETURNS)[returns_written % CODEC_RING_ENTRIES] = output.token;
		__atomic_store_n(word(CODEC_RETURNS_WRITTEN), ++returns_written, __ATOMIC_RELEASE);
		break;
	case CODEC_OUTPUT_ERROR:
		errors++;
		if (print)
			fprintf(stderr, "error %u, needed %llu\n", output.error, (unsigned long long)output.needed);
		break;
	case CODEC_OUTPUT_END:
		ends++;
		break;
	default:
		break;
	}
	ring();
	return true;
}

uint64_t give_up;

uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static bool broken(void)
{
	return (__atomic_load_n(&events, __ATOMIC_SEQ_CST) & CODEC_EVENT_BROKEN) || (give_up != 0 && now() > give_up);
}

static bool is_idle(bool wants_space)
{
	if (__atomic_load_n(word(CODEC_OUTPUTS_WRITTEN), __ATOMIC_ACQUIRE) != outputs_taken)
		return false;
	return !wants_space || __atomic_load_n(word(CODEC_CHUNKS_TAKEN), __ATOMIC_ACQUIRE) != chunks_written;
}

/* Sleeps until there is an output, or all chunks are taken. Returns false if nothing happens for long. */
static bool sleep_for(bool space, int patience)
{
	struct pollfd poll_event = { .fd = event, .events = POLLIN };
	uint64_t count;

	*word(CODEC_OUTPUTS_AT) = outputs_taken + 1;
	*word(CODEC_CHUNKS_AT) = chunks_written;
	__atomic_store_n(word(CODEC_GUEST_WANTS), CODEC_EVENT_OUTPUT | (space ? CODEC_EVENT_SPACE : 0),
			 __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!is_idle(space))
		return true;
	if (poll(&poll_event, 1, patience) == 0)
		return false;
	return read(event, &count, sizeof(count)) == sizeof(count);
}

static void send(const unsigned char *bytes, uint32_t size, uint32_t flags)
{
	struct codec_chunk chunk = { .offset = CODEC_AREAS, .size = size, .flags = flags };

	if (size != 0)
		memcpy(object + CODEC_AREAS, bytes, size);
	memcpy(object + CODEC_CHUNKS + chunks_written % CODEC_RING_ENTRIES * sizeof(chunk), &chunk, sizeof(chunk));
	__atomic_store_n(word(CODEC_CHUNKS_WRITTEN), ++chunks_written, __ATOMIC_RELEASE);
	ring();
}

void begin(uint32_t threads)
{
	struct codec_setup setup = {
		.threads = threads,
		.data_offset = CODEC_AREAS,
		.data_size = DATA_SIZE,
		.frames_offset = CODEC_AREAS + DATA_SIZE,
		.frames_size = frames_size,
	};
	uint32_t answer;

	memset(object, 0, CODEC_AREAS);
	memcpy(object, &setup, sizeof(setup));
	chunks_written = outputs_taken = returns_written = 0;
	__atomic_store_n(&events, 0, __ATOMIC_SEQ_CST);
	if (!on_create_instance(1))
		abort();
	answer = on_instance_ping_sized(1, CODEC_OPEN, 4096, object, object_size, 1);
	if (answer != CODEC_OK) {
		fprintf(stderr, "CODEC_OPEN: %u\n", answer);
		exit(2);
	}
}

bool play(const struct clip *clip, bool print, int patience)
{
	uint64_t ends_before = ends, at = 0, size;
	bool end = false;

	while (!end) {
		while (__atomic_load_n(word(CODEC_CHUNKS_TAKEN), __ATOMIC_ACQUIRE) != chunks_written) {
			if (broken() || (!take(print) && !sleep_for(true, patience)))
				return false;
		}
		end = at == clip->size;
		size = clip->size - at < chunk_max ? clip->size - at : chunk_max;
		send(clip->bytes + at, size, end ? CODEC_CHUNK_END : 0);
		at += size;
	}
	while (ends == ends_before) {
		if (broken() || (!take(print) && !sleep_for(false, patience)))
			return false;
	}
	return true;
}
