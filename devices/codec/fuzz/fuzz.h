/* SPDX-License-Identifier: MIT */
/* The parts of the program fuzz. */
#ifndef CODEC_FUZZ_H
#define CODEC_FUZZ_H

#include "codec_protocol.h"
#include "virtio_user_plugin.h"

#include <stddef.h>

/* ---- host.c: what the daemon is for the plug-in ---- */

#define DATA_SIZE (8u << 20)

/* The guest's object, and the part of its room for pictures that is used. */
extern unsigned char *object;
extern uint64_t object_size;
extern uint64_t frames_size;

/* An eventfd that counts the events that the plug-in has raised, and their bits. */
extern int event;
extern uint32_t events;

/* Makes the object and starts the plug-in. */
bool start_host(void);

/* Ends the instance, and waits until that is over. */
void finish(void);

/* ---- clip.c ---- */

#define CLIP_MAX (64u << 20)

struct clip {
	unsigned char *bytes;
	uint64_t size;
};

/* Reads a clip, or ends the program. */
struct clip *load(const char *path);

/* Copies a clip with pieces that are damaged, cut, repeated and left out. */
struct clip *damage(const struct clip *clip);

void unload(struct clip *clip);

/* What comes next of the numbers that follow from a seed; below a limit if that is not 0. */
void seed_chance(uint64_t seed);
uint64_t any(uint64_t below);

/* ---- guest.c: the guest ---- */

extern uint64_t frames, errors, ends; /* that came out */
extern uint64_t give_up; /* when play ends in any case, in milliseconds; 0 = never */
extern uint64_t chunk_max; /* the most bytes that are sent at once */

/* Milliseconds. */
uint64_t now(void);

/* Makes an instance and sends CODEC_OPEN, or ends the program. */
void begin(uint32_t threads);

/*
 * Sends the bytes and the end, waits for the end. Returns false if the decoder has stopped.
 *
 * @print: write the pictures to standard output
 * @patience: for how many milliseconds nothing may happen
 */
bool play(const struct clip *clip, bool print, int patience);

#endif
