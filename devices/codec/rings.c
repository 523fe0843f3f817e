/* SPDX-License-Identifier: MIT */
/* The rings and words of codec_protocol.h, from the device's side. */
#include "rings.h"

#include <string.h>

#define OUTPUT_SIZE sizeof(struct codec_output)

static uint32_t *word(const struct rings *rings, uint32_t offset)
{
	return (uint32_t *)(rings->object + offset);
}

/* Pairs with the guest's release after it has written entries. */
static uint32_t acquire(const struct rings *rings, uint32_t offset)
{
	return __atomic_load_n(word(rings, offset), __ATOMIC_ACQUIRE);
}

/* Pairs with the guest's acquire before it reads entries, or uses the bytes of chunks again. */
static void release(const struct rings *rings, uint32_t offset, uint32_t value)
{
	__atomic_store_n(word(rings, offset), value, __ATOMIC_RELEASE);
}

void rings_start(struct rings *rings, unsigned char *object)
{
	memset(rings, 0, sizeof(*rings));
	rings->object = object;
	release(rings, CODEC_CHUNKS_TAKEN, 0);
	release(rings, CODEC_RETURNS_TAKEN, 0);
	release(rings, CODEC_OUTPUTS_WRITTEN, 0);
	release(rings, CODEC_DEVICE_WAITS, 0);
	release(rings, CODEC_BROKEN, 0);
}

void copy_once(void *to, const void *from, size_t size)
{
	const volatile uint64_t *source = from;
	unsigned char *target = to;

	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		uint64_t value = source[at / sizeof(uint64_t)];

		memcpy(target + at, &value, sizeof(value));
	}
}

uint32_t rings_chunks(const struct rings *rings)
{
	return acquire(rings, CODEC_CHUNKS_WRITTEN) - rings->chunks_taken;
}

uint32_t rings_returns(const struct rings *rings)
{
	return acquire(rings, CODEC_RETURNS_WRITTEN) - rings->returns_taken;
}

uint32_t rings_outputs(const struct rings *rings)
{
	return rings->outputs_written - acquire(rings, CODEC_OUTPUTS_TAKEN);
}

void rings_peek_chunk(const struct rings *rings, struct codec_chunk *chunk)
{
	uint32_t index = rings->chunks_taken % CODEC_RING_ENTRIES;

	copy_once(chunk, rings->object + CODEC_CHUNKS + index * sizeof(*chunk), sizeof(*chunk));
}

void rings_take_chunk(struct rings *rings)
{
	release(rings, CODEC_CHUNKS_TAKEN, ++rings->chunks_taken);
}

uint32_t rings_take_return(struct rings *rings)
{
	uint32_t index = rings->returns_taken % CODEC_RING_ENTRIES;
	uint32_t token = __atomic_load_n(word(rings, CODEC_RETURNS) + index, __ATOMIC_RELAXED);

	release(rings, CODEC_RETURNS_TAKEN, ++rings->returns_taken);
	return token;
}

void rings_put_output(struct rings *rings, const void *output)
{
	uint32_t index = rings->outputs_written % CODEC_RING_ENTRIES;

	memcpy(rings->object + CODEC_OUTPUTS + index * OUTPUT_SIZE, output, OUTPUT_SIZE);
	release(rings, CODEC_OUTPUTS_WRITTEN, ++rings->outputs_written);
}

void rings_wait(struct rings *rings, bool waits)
{
	__atomic_store_n(word(rings, CODEC_DEVICE_WAITS), waits, __ATOMIC_RELAXED);
	/* Pairs with the guest's fence between a change and its look at this word. */
	if (waits)
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool reached(uint32_t counter, uint32_t at)
{
	return counter - at < 1u << 31;
}

uint32_t rings_news(struct rings *rings, bool sleeps)
{
	uint32_t wants, news = 0;

	/* Pairs with the guest's fence between setting guest_wants and its last look at the rings. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wants = acquire(rings, CODEC_GUEST_WANTS);
	if (wants == 0)
		return 0;
	if (reached(rings->outputs_written, acquire(rings, CODEC_OUTPUTS_AT)) || (sleeps && rings_outputs(rings) != 0))
		news |= wants & CODEC_EVENT_OUTPUT;
	if (reached(rings->chunks_taken, acquire(rings, CODEC_CHUNKS_AT)) ||
	    (sleeps && rings_chunks(rings) < CODEC_RING_ENTRIES))
		news |= wants & CODEC_EVENT_SPACE;
	if (news != 0)
		__atomic_exchange_n(word(rings, CODEC_GUEST_WANTS), 0, __ATOMIC_SEQ_CST);
	return news;
}

bool rings_guest_sleeps(const struct rings *rings)
{
	/* The word first: what the guest did before it said so is seen by who looks after this. */
	return (acquire(rings, CODEC_GUEST_WANTS) & CODEC_EVENT_OUTPUT) && rings_outputs(rings) == 0;
}

void rings_break(struct rings *rings, uint32_t reason)
{
	release(rings, CODEC_BROKEN, reason);
}
