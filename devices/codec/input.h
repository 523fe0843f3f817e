/* SPDX-License-Identifier: MIT */
/* The bytes of a stream, as libavformat reads them: out of the ring of chunks. All of it belongs to the worker. */
#ifndef CODEC_INPUT_H
#define CODEC_INPUT_H

#include "codec_protocol.h"

#include <stdbool.h>

#define INPUT_PEEK_MAX 8

struct decoder;

struct input {
	struct codec_chunk chunk; /* a copy of the oldest entry, while some of its bytes are not read yet */
	uint32_t used; /* bytes of it that were read; all of them if there is no such chunk */
	bool ended; /* the guest has said that the stream ends */
	uint64_t allowed; /* bytes that may be read before somebody says again how many */
	unsigned char peeked[INPUT_PEEK_MAX]; /* read, and to be read once more */
	int peeked_count;
	int peeked_used;
};

/* Waits for the first chunk of a stream. Returns false if the decoder has stopped. */
bool input_begin(struct decoder *decoder);

/* Reads the first bytes of a stream, which will be read again. Returns how many there are. */
int input_peek(struct decoder *decoder, unsigned char bytes[INPUT_PEEK_MAX]);

/*
 * How many bytes may be read from now on: libavformat keeps what it reads until it returns something. More are INPUT_TOO_LONG. It is
 * no end of the stream, which would make a packet of them.
 */
void input_allow(struct decoder *decoder, uint64_t bytes);
#define INPUT_TOO_LONG AVERROR(EMSGSIZE)

/* libavformat's callback; waits until there is a byte, or the end. */
int input_read(void *decoder, uint8_t *buffer, int size);

/* Drops what is left of the stream. */
void input_skip(struct decoder *decoder);

#endif
