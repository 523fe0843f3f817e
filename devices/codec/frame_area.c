/* SPDX-License-Identifier: MIT */
/* Memory for pictures, given out in blocks of any size, first fit. */
#include "frame_area.h"

#include <string.h>
#include <sys/mman.h>

#define ALIGNMENT 64u /* what the widest instructions of libavcodec want */

void frame_area_over(struct frame_area *area, unsigned char *base, uint64_t size)
{
	memset(area, 0, sizeof(*area));
	area->base = base;
	area->size = size;
}

bool frame_area_reserve(struct frame_area *area, uint64_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	frame_area_over(area, memory == MAP_FAILED ? NULL : memory, size);
	return area->base != NULL;
}

void frame_area_unreserve(struct frame_area *area)
{
	if (area->base)
		munmap(area->base, area->size);
}

static uint64_t aligned(uint64_t size)
{
	return (size + ALIGNMENT - 1) & -(uint64_t)ALIGNMENT;
}

unsigned char *frame_area_take(struct frame_area *area, uint64_t size)
{
	uint64_t offset = 0;
	uint32_t index;

	if (size == 0 || size > area->size || area->count == FRAME_AREA_BLOCKS)
		return NULL;
	size = aligned(size);
	for (index = 0; index < area->count; index++) {
		if (area->blocks[index].offset - offset >= size)
			break;
		offset = area->blocks[index].offset + area->blocks[index].size;
	}
	if (index == area->count && (area->size < offset || area->size - offset < size))
		return NULL;

	memmove(&area->blocks[index + 1], &area->blocks[index], (area->count - index) * sizeof(area->blocks[0]));
	area->blocks[index] = (struct frame_block){ offset, size };
	area->count++;
	return area->base + offset;
}

void frame_area_give_back(struct frame_area *area, const unsigned char *block)
{
	for (uint32_t index = 0; index < area->count; index++) {
		if (area->base + area->blocks[index].offset != block)
			continue;
		area->count--;
		memmove(&area->blocks[index], &area->blocks[index + 1],
			(area->count - index) * sizeof(area->blocks[0]));
		return;
	}
}

uint64_t frame_area_largest(const struct frame_area *area)
{
	uint64_t largest = 0;

	for (uint32_t index = 0; index < area->count; index++) {
		if (area->blocks[index].size > largest)
			largest = area->blocks[index].size;
	}
	return largest;
}

bool frame_area_is_even(const struct frame_area *area, uint64_t size)
{
	for (uint32_t index = 0; index < area->count; index++) {
		if (area->blocks[index].size != aligned(size))
			return false;
	}
	return true;
}

bool frame_area_contains(const struct frame_area *area, const unsigned char *address)
{
	uintptr_t first = (uintptr_t)area->base;

	return (uintptr_t)address >= first && (uintptr_t)address - first < area->size;
}
