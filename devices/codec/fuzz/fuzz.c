/* SPDX-License-Identifier: MIT */
/*
 * The decoder without a daemon and without a VM, for sanitizers and for finding out what it takes: the plug-in's files are linked
 * into this program, which is their host and their guest.
 *
 *	fuzz decode CLIP [THREADS [MIB]]	writes the pictures to standard output, as ffmpeg -f rawvideo does
 *	fuzz mutate SEED COUNT CLIP...		decodes COUNT clips with damage, while somebody writes to the object
 *
 * A clip is .ivf (VP9 and AV1) or .h264 with access unit delimiters.
 */
#define _GNU_SOURCE
#include "codec_protocol.h"
#include "virtio_user_plugin.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PACKETS 4096
#define DATA_SIZE (8u << 20)

static uint64_t frames_size = 64u << 20;
static unsigned char *object;
static uint64_t object_size;
static void *instance_data;
static int event;
static uint32_t events;

/* ---- the host ---- */

static bool raise_event(uint64_t handle, uint32_t revents)
{
	(void)handle;
	__atomic_or_fetch(&events, revents, __ATOMIC_SEQ_CST);
	return write(event, &(uint64_t){ 1 }, 8) == 8;
}

static void say(int level, const char *text)
{
	fprintf(stderr, "%d %s\n", level, text);
}

static bool set_data(uint64_t handle, void *data)
{
	(void)handle;
	instance_data = data;
	return true;
}

static void *get_data(uint64_t handle)
{
	(void)handle;
	return instance_data;
}

static uint32_t get_version(uint64_t handle)
{
	(void)handle;
	return 1;
}

static void *hold(uint64_t handle, uint64_t address, uint64_t size)
{
	(void)handle, (void)address, (void)size;
	return object;
}

static bool let_go(uint64_t handle, uint64_t address, uint64_t size)
{
	(void)handle, (void)address, (void)size;
	return true;
}

static const struct virtio_user_host offered = {
	.size = sizeof(offered),
	.version = 1,
	.raise_event = raise_event,
	.log = say,
	.set_instance_data = set_data,
	.get_instance_data = get_data,
	.get_instance_version = get_version,
	.hold_memory = hold,
	.release_memory = let_go,
};

/* ---- clips ---- */

struct clip {
	uint32_t codec;
	uint32_t count;
	struct {
		unsigned char *bytes;
		uint32_t size;
	} packets[PACKETS];
};

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

static struct clip *load(const char *path)
{
	static const unsigned char delimiter[] = { 0, 0, 0, 1, 9 };
	struct clip *clip = calloc(1, sizeof(*clip));
	unsigned char *bytes = malloc(64u << 20), *end, *next;
	FILE *file = fopen(path, "rb");

	if (!file) {
		perror(path);
		exit(2);
	}
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

/* ---- the guest ---- */

static uint32_t packets_written, outputs_taken, returns_written;
static uint64_t frames, errors, ends;

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
			fwrite(object + output->plane[plane] + (uint64_t)row * output->stride[plane], bytes, width, stdout);
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
	default:
		ends++;
	}
	ring();
	return true;
}

static uint64_t give_up; /* when, in milliseconds; 0 = never */

static uint64_t now(void)
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
	return !wants_space || __atomic_load_n(word(CODEC_PACKETS_TAKEN), __ATOMIC_ACQUIRE) != packets_written;
}

/* Sleeps until there is an output, or all packets are taken. Returns false if nothing happens for long. */
static bool sleep_for(bool space, int patience)
{
	struct pollfd poll_event = { .fd = event, .events = POLLIN };
	uint64_t count;

	*word(CODEC_OUTPUTS_AT) = outputs_taken + 1;
	*word(CODEC_PACKETS_AT) = packets_written;
	__atomic_store_n(word(CODEC_GUEST_WANTS), CODEC_EVENT_OUTPUT | (space ? CODEC_EVENT_SPACE : 0), __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!is_idle(space))
		return true;
	if (poll(&poll_event, 1, patience) == 0)
		return false;
	return read(event, &count, sizeof(count)) == sizeof(count);
}

static bool sent(const unsigned char *bytes, uint32_t size, uint32_t flags, uint32_t number)
{
	struct codec_packet packet = { .offset = CODEC_AREAS, .size = size, .flags = flags, .pts = number };

	if (size > DATA_SIZE)
		return true;
	if (size != 0)
		memcpy(object + CODEC_AREAS, bytes, size);
	memcpy(object + CODEC_PACKETS + packets_written % CODEC_RING_ENTRIES * sizeof(packet), &packet, sizeof(packet));
	__atomic_store_n(word(CODEC_PACKETS_WRITTEN), ++packets_written, __ATOMIC_RELEASE);
	ring();
	return true;
}

static void begin(uint32_t codec, uint32_t threads)
{
	struct codec_setup setup = {
		.codec = codec,
		.threads = threads,
		.data_offset = CODEC_AREAS,
		.data_size = DATA_SIZE,
		.frames_offset = CODEC_AREAS + DATA_SIZE,
		.frames_size = frames_size,
	};
	uint32_t answer;

	memset(object, 0, CODEC_AREAS);
	memcpy(object, &setup, sizeof(setup));
	packets_written = outputs_taken = returns_written = 0;
	__atomic_store_n(&events, 0, __ATOMIC_SEQ_CST);
	if (!on_create_instance(1))
		abort();
	answer = on_instance_ping_sized(1, CODEC_OPEN, 4096, object, object_size, 1);
	if (answer != CODEC_OK) {
		fprintf(stderr, "CODEC_OPEN: %u\n", answer);
		exit(2);
	}
}

/* Sends the packets and the end, waits for the end. Returns false if the decoder has stopped. */
static bool play(const struct clip *clip, bool print, int patience)
{
	uint64_t ends_before = ends;

	for (uint32_t number = 0; number <= clip->count; number++) {
		bool end = number == clip->count;

		while (__atomic_load_n(word(CODEC_PACKETS_TAKEN), __ATOMIC_ACQUIRE) != packets_written) {
			if (broken() || (!take(print) && !sleep_for(true, patience)))
				return false;
		}
		sent(end ? NULL : clip->packets[number].bytes, end ? 0 : clip->packets[number].size, end ? CODEC_PACKET_END : 0, number);
	}
	while (ends == ends_before) {
		if (broken() || (!take(print) && !sleep_for(false, patience)))
			return false;
	}
	return true;
}

/* ---- damage ---- */

static uint64_t state;

static uint64_t any(uint64_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return below ? state % below : state;
}

static struct clip *damage(const struct clip *clip)
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

static bool scribbling;

/* Writes to the packets and the pictures, and half of the times to the rings. */
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

static int mutate(uint64_t seed, uint32_t count, int clips, char **paths)
{
	struct clip **loaded = calloc(clips, sizeof(*loaded));
	uint64_t stopped = 0;

	for (int index = 0; index < clips; index++)
		loaded[index] = load(paths[index]);
	for (uint32_t round = 0; round < count; round++) {
		struct clip *clip;
		pthread_t scribbler;
		uint32_t all;
		bool writes;

		state = (seed + round) * 0x9e3779b97f4a7c15u | 1;
		for (int i = 0; i < 8; i++)
			any(0);
		clip = damage(loaded[any(clips)]);
		frames_size = any(4) == 0 ? 4096 + any(1u << 20) : 16u << 20;
		writes = any(3) == 0;
		begin(clip->codec, any(5));
		__atomic_store_n(&scribbling, writes, __ATOMIC_RELAXED);
		if (writes && pthread_create(&scribbler, NULL, scribble, (void *)(uintptr_t)any(0)) != 0)
			abort();
		all = clip->count;
		if (any(8) == 0)
			clip->count = any(clip->count + 1);
		give_up = writes ? now() + 100 : 0;
		if (!play(clip, false, writes ? 20 : 20000))
			stopped++;
		if (!writes && ends != round + 1 - stopped)
			fprintf(stderr, "round %u\n", round);
		__atomic_store_n(&scribbling, false, __ATOMIC_RELAXED);
		on_destroy_instance(1);
		if (writes)
			pthread_join(scribbler, NULL);
		ends = round + 1 - stopped;
		for (uint32_t number = 0; number < all; number++)
			free(clip->packets[number].bytes);
		free(clip);
		if (round % 500 == 499)
			fprintf(stderr, "%u clips, %llu frames, %llu errors, %llu stopped\n", round + 1, (unsigned long long)frames, (unsigned long long)errors, (unsigned long long)stopped);
	}
	return 0;
}

int main(int count, char **words)
{
	if (count < 3)
		return 2;
	if (count > 4 && strcmp(words[1], "decode") == 0)
		frames_size = strtoull(words[4], NULL, 0) << 20;
	object_size = CODEC_AREAS + DATA_SIZE + frames_size;
	object = mmap(NULL, object_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	event = eventfd(0, EFD_CLOEXEC);
	if (!virtio_user_plugin_init(&offered))
		return 2;
	if (strcmp(words[1], "decode") == 0) {
		struct clip *clip = load(words[2]);

		begin(clip->codec, count > 3 ? strtoul(words[3], NULL, 0) : 0);
		if (!play(clip, true, 20000))
			return 1;
		on_destroy_instance(1);
		fprintf(stderr, "%llu frames, %llu errors\n", (unsigned long long)frames, (unsigned long long)errors);
		return 0;
	}
	if (strcmp(words[1], "mutate") == 0 && count > 4)
		return mutate(strtoull(words[2], NULL, 0), strtoul(words[3], NULL, 0), count - 4, words + 4);
	return 2;
}
