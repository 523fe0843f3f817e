/* SPDX-License-Identifier: MIT */
/* Clips, whole and damaged. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 32

struct clip *load(const char *path)
{
	struct clip *clip = calloc(1, sizeof(*clip));
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(2);
	}
	clip->bytes = malloc(CLIP_MAX);
	clip->size = fread(clip->bytes, 1, CLIP_MAX, file);
	fclose(file);
	return clip;
}

void unload(struct clip *clip)
{
	free(clip->bytes);
	free(clip);
}

static uint64_t state;

uint64_t any(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? state % below : state;
}

void seed_chance(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15u | 1;
	for (int i = 0; i < 8; i++)
		any(0);
}

static void append(struct clip *clip, const unsigned char *bytes, uint64_t size)
{
	memcpy(clip->bytes + clip->size, bytes, size);
	clip->size += size;
}

/* Sizes, counts and times of a container, and what begins a unit of a byte stream. */
static void change(struct clip *clip)
{
	static const unsigned char codes[][4] = { { 0, 0, 1, 0x67 }, { 0, 0, 1, 0x65 }, { 0, 0, 1, 0x41 },
						  { 0, 0, 1, 0 },    { 0, 0, 0, 0 },	{ 255, 255, 255, 255 },
						  { 0, 0, 0, 128 },  { 12, 0, 0, 0 } };
	uint64_t at = any(3) == 0 ? any(clip->size < 200 ? clip->size : 200) : any(clip->size);

	if (any(8) == 0 && clip->size - at >= 4)
		memcpy(clip->bytes + at, codes[any(8)], 4);
	else
		clip->bytes[at] ^= any(2) ? 1u << any(8) : any(256);
}

struct clip *damage(const struct clip *clip)
{
	struct clip *copy = calloc(1, sizeof(*copy));
	uint64_t piece = clip->size / PIECES + 1, changes = 1 + any(20);

	copy->bytes = malloc(clip->size + 2 * (PIECES + 1) * piece);
	for (uint64_t at = 0; at < clip->size; at += piece) {
		uint64_t from = any(60) == 0 ? any(clip->size) : at;
		uint64_t size = clip->size - from < piece ? clip->size - from : piece;

		if (any(40) == 0)
			size = any(size + 1);
		if (any(60) != 0)
			append(copy, clip->bytes + from, size);
		if (any(60) == 0)
			append(copy, clip->bytes + from, size);
	}
	while (changes-- && copy->size)
		change(copy);
	return copy;
}
