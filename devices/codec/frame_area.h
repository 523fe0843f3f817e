/* SPDX-License-Identifier: MIT */
/*
 * Memory for pictures, given out in blocks of any size, first fit. What is known about it is kept apart from it, since the guest
 * can write to the memory. All functions but the first two are called with the decoder's lock held.
 */
#ifndef CODEC_FRAME_AREA_H
#define CODEC_FRAME_AREA_H

#include <stdbool.h>
#include <stdint.h>

/* A codec refers to 16 pictures, decodes 16 more at the same time, and the guest holds 64. */
#define FRAME_AREA_BLOCKS 128u

struct frame_area {
	unsigned char *base;
	uint64_t size;
	/*
	 * How many pictures have left the codec and are not back yet: with the guest, or on the way. As long as there are some,
	 * a thread that finds no room may hope. Kept by those who take pictures out of the codec.
	 */
	uint32_t lent;
	uint32_t count;
	struct frame_block {
		uint64_t offset;
		uint64_t size;
	} blocks[FRAME_AREA_BLOCKS]; /* those that are in use, by offset */
};

/* Over memory of somebody else's. */
void frame_area_over(struct frame_area *area, unsigned char *base, uint64_t size);

/* Over memory of its own, which takes space only where it is used. Returns false if the system refuses. */
bool frame_area_reserve(struct frame_area *area, uint64_t size);

/* Gives the memory of frame_area_reserve back. */
void frame_area_unreserve(struct frame_area *area);

/* Takes a block; its address is a multiple of 64. Returns null if there is no room. */
unsigned char *frame_area_take(struct frame_area *area, uint64_t size);

/* Gives a block back. */
void frame_area_give_back(struct frame_area *area, const unsigned char *block);

/* The bytes of the largest block that is in use; 0 if there is none. */
uint64_t frame_area_largest(const struct frame_area *area);

/* Whether all blocks that are in use are as large as a new one would be. */
bool frame_area_is_even(const struct frame_area *area, uint64_t size);

bool frame_area_contains(const struct frame_area *area, const unsigned char *address);

#endif
