/* SPDX-License-Identifier: MIT */
/*
 * The rings and words of codec_protocol.h, from the device's side. The guest may write anything to them at any time, so nothing
 * that the device has written is ever read back, and what the guest has written is read once.
 *
 * One thread at a time uses struct rings: whoever holds the decoder's lock.
 */
#ifndef CODEC_RINGS_H
#define CODEC_RINGS_H

#include "codec_protocol.h"

#include <stdbool.h>
#include <stddef.h>

struct rings {
	unsigned char *object; /* the whole of it, a multiple of 64 */
	uint32_t chunks_taken;
	uint32_t returns_taken;
	uint32_t outputs_written;
};

/* Begins with empty rings. */
void rings_start(struct rings *rings, unsigned char *object);

/* Copies bytes that the guest can change, reading each once; both must be multiples of 8. */
void copy_once(void *to, const void *from, size_t size);

/* How many chunks, returns, and outputs wait to be taken: more than CODEC_RING_ENTRIES if the guest's counter is nonsense. */
uint32_t rings_chunks(const struct rings *rings);
uint32_t rings_returns(const struct rings *rings);
uint32_t rings_outputs(const struct rings *rings);

/* Copies the oldest chunk's entry, if there is one. It stays in the ring until rings_take_chunk. */
void rings_peek_chunk(const struct rings *rings, struct codec_chunk *chunk);
void rings_take_chunk(struct rings *rings);

/* Takes the oldest return, if there is one: a token, not checked. */
uint32_t rings_take_return(struct rings *rings);

/* Writes an output, a struct codec_output or codec_stream; there must be room. */
void rings_put_output(struct rings *rings, const void *output);

/* Says that the device is about to sleep, or not. What is looked at after rings_wait is not older than it. */
void rings_wait(struct rings *rings, bool waits);

/*
 * What the guest wants to be woken for, if it is time to wake it; then it is asleep no more. To be called after each change.
 *
 * @sleeps: a thread of the device is about to sleep, so little is reason enough
 */
uint32_t rings_news(struct rings *rings, bool sleeps);

/* Whether the guest has taken all outputs and sleeps until there is another. What it returned before it said so is there to take. */
bool rings_guest_sleeps(const struct rings *rings);

/* Tells the guest why its instance has stopped. */
void rings_break(struct rings *rings, uint32_t reason);

#endif
