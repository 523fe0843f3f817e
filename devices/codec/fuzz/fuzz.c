/* SPDX-License-Identifier: MIT */
/*
 * The decoder without a daemon and without a VM, for sanitizers and for finding out what it takes: the plug-in's files are linked
 * into this program, which is their host and their guest.
 *
 *	fuzz decode CLIP [THREADS [MIB]]	writes the pictures to standard output, as ffmpeg -f rawvideo does
 *	fuzz play CLIP [THREADS [MIB]]		drops them
 *	fuzz mutate SEED COUNT CLIP...		decodes COUNT clips with damage, while somebody writes to the object
 *
 * A clip is IVF or H.264 as a byte stream.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool scribbling;

/* Writes to the stream and the pictures, and half of the times to the rings. */
static void *scribble(void *seed)
{
	uint64_t value = (uintptr_t)seed | 1;
	volatile unsigned char *bytes = object;
	bool rings = value & 2;

	while (__atomic_load_n(&scribbling, __ATOMIC_RELAXED)) {
		value ^= value << 13;
		value ^= value >> 7;
		value ^= value << 17;
		if (rings && value % 1024 == 0)
			bytes[value / 1024 % CODEC_AREAS] = value >> 56;
		bytes[CODEC_AREAS + value / 3 % (64u << 10)] = value >> 40;
		bytes[CODEC_AREAS + DATA_SIZE + value / 7 % (256u << 10)] = value >> 48;
	}
	return NULL;
}

/* Decodes one damaged clip. Returns false if the decoder stopped or the end did not come. */
static bool one_round(const struct clip *clip, bool writes)
{
	pthread_t scribbler;
	bool ended;

	__atomic_store_n(&scribbling, writes, __ATOMIC_RELAXED);
	begin(any(5));
	if (writes && pthread_create(&scribbler, NULL, scribble, (void *)(uintptr_t)any(0)) != 0)
		abort();
	give_up = writes ? now() + 100 : 0;
	ended = play(clip, false, writes ? 20 : 20000);
	if (any(2))
		__atomic_store_n(&scribbling, false, __ATOMIC_RELAXED);
	finish();
	__atomic_store_n(&scribbling, false, __ATOMIC_RELAXED);
	if (writes)
		pthread_join(scribbler, NULL);
	return ended;
}

static int mutate(uint64_t seed, uint32_t count, int clips, char **paths)
{
	struct clip **loaded = calloc(clips, sizeof(*loaded));
	uint64_t stopped = 0;
	bool good = true;

	for (int index = 0; index < clips; index++)
		loaded[index] = load(paths[index]);
	for (uint32_t round = 0; round < count; round++) {
		struct clip *clip;
		bool writes;

		seed_chance(seed + round);
		clip = damage(loaded[any(clips)]);
		frames_size = any(4) == 0 ? 4096 + any(1u << 20) : 16u << 20;
		chunk_max = any(3) ? DATA_SIZE : 1 + any(5000);
		writes = any(3) == 0;
		if (!one_round(clip, writes)) {
			stopped++;
			if (!writes) {
				fprintf(stderr, "clip %llu did not come to its end\n",
					(unsigned long long)(seed + round));
				good = false;
			}
		}
		unload(clip);
		if (round % 500 == 499)
			fprintf(stderr,
				"%u clips, %llu frames, %llu errors, %llu "
				"stopped\n",
				round + 1, (unsigned long long)frames, (unsigned long long)errors,
				(unsigned long long)stopped);
	}
	for (int index = 0; index < clips; index++)
		unload(loaded[index]);
	free(loaded);
	return good ? 0 : 1;
}

static int decode(const char *path, uint32_t threads, bool print)
{
	struct clip *clip = load(path);
	bool ended;

	begin(threads);
	ended = play(clip, print, 20000);
	finish();
	unload(clip);
	fprintf(stderr, "%llu frames, %llu errors\n", (unsigned long long)frames, (unsigned long long)errors);
	return ended ? 0 : 1;
}

int main(int count, char **words)
{
	bool print = count > 1 && strcmp(words[1], "decode") == 0;
	bool mutates = count > 4 && strcmp(words[1], "mutate") == 0;

	if (count < 3 || (!print && !mutates && strcmp(words[1], "play") != 0)) {
		fprintf(stderr, "fuzz decode|play CLIP [THREADS [MIB]]\nfuzz "
				"mutate SEED COUNT CLIP...\n");
		return 2;
	}
	if (count > 4 && !mutates)
		frames_size = strtoull(words[4], NULL, 0) << 20;
	if (!start_host())
		return 2;
	if (mutates)
		return mutate(strtoull(words[2], NULL, 0), strtoul(words[3], NULL, 0), count - 4, words + 4);
	return decode(words[2], count > 3 ? strtoul(words[3], NULL, 0) : 0, print);
}
