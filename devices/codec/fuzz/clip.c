/* SPDX-License-Identifier: MIT */
/* Clips, whole and damaged. */
#define _GNU_SOURCE
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t get32(const unsigned char *bytes)
{
	return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void add(struct clip *clip, unsigned char *bytes, size_t size)
{
	if (clip->count == PACKETS || size == 0)
		return;
	clip->packets[clip->count].bytes = bytes;
	clip->packets[clip->count++].size = size;
}

struct clip *load(const char *path)
{
	static const unsigned char delimiter[] = { 0, 0, 0, 1, 9 };
	struct clip *clip = calloc(1, sizeof(*clip));
	unsigned char *bytes = malloc(64u << 20), *end, *next;
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(2);
	}
	clip->file = bytes;
	end = bytes + fread(bytes, 1, 64u << 20, file);
	fclose(file);
	if (memcmp(bytes, "DKIF", 4) == 0) {
		clip->codec = memcmp(bytes + 8, "VP90", 4) == 0 ? CODEC_VP9 : CODEC_AV1;
		for (unsigned char *at = bytes + 32; at + 12 <= end; at += 12 + get32(at))
			add(clip, at + 12, get32(at));
		return clip;
	}
	clip->codec = CODEC_H264;
	for (unsigned char *at = bytes; at < end; at = next) {
		next = memmem(at + 5, end - at - 5, delimiter, sizeof(delimiter));
		if (!next)
			next = end;
		add(clip, at, next - at);
	}
	return clip;
}

void unload(struct clip *clip)
{
	for (uint32_t number = 0; !clip->file && number < clip->count; number++)
		free(clip->packets[number].bytes);
	free(clip->file);
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

struct clip *damage(const struct clip *clip)
{
	struct clip *copy = calloc(1, sizeof(*copy));
	uint32_t changes = 1 + any(20);

	copy->codec = any(50) == 0 ? 1 + any(3) : clip->codec;
	for (uint32_t number = 0; number < clip->count; number++) {
		uint32_t from = any(30) == 0 ? any(clip->count) : number;
		uint32_t size = clip->packets[from].size;
		unsigned char *bytes = malloc(size);

		memcpy(bytes, clip->packets[from].bytes, size);
		if (any(20) == 0 && size > 1)
			size = 1 + any(size);
		if (any(40) != 0)
			add(copy, bytes, size);
		else
			free(bytes);
	}
	while (changes-- && copy->count) {
		uint32_t number = any(3) == 0 ? 0 : any(copy->count), at = any(copy->packets[number].size);

		if (any(2))
			at = any(at + 1);
		copy->packets[number].bytes[at] ^= any(2) ? 1u << any(8) : any(256);
	}
	return copy;
}
