/* SPDX-License-Identifier: MIT */
/*
 * The decoder's protocol, version 1: device 5655:0003. README.md tells the story; this file is the reference.
 *
 * One instance decodes one stream at a time. One shared-memory object of the guest's holds all of it: a first part of fixed
 * layout with three rings, the bytes of packets, and the pictures. All integers are little-endian. Offsets are in bytes
 * from the beginning of the object.
 *
 *	ring		made by	taken by	an entry
 *	packets		guest	device		a compressed packet, or the end of the stream
 *	outputs		device	guest		a picture, an error, or the end of the stream
 *	returns		guest	device		a picture that the guest does not need any more
 *
 * Each ring has CODEC_RING_ENTRIES entries and two counters that only grow and wrap at 2^32: its maker's, of entries written,
 * and its taker's, of entries taken. Entry number n lies at index n modulo CODEC_RING_ENTRIES. An entry is written before its
 * counter (release), a counter read before its entries (acquire).
 *
 * Pings: CODEC_OPEN names the whole object and wants an answer; CODEC_DOORBELL names no memory and wants none.
 *
 * Who sleeps says so first, and looks at the rings once more between saying so and sleeping. Each time before it sleeps, the
 * device sets device_waits to 1. After a change of packets_written, returns_written or outputs_taken, and a full fence, the guest
 * exchanges device_waits with 0 and sends a doorbell if it was not 0; it may make several changes before it looks.
 *
 * Before the guest sleeps, it sets outputs_at and packets_at, then guest_wants. After a change and a full fence the device sends
 * one event, and exchanges guest_wants with 0, if guest_wants has
 *	CODEC_EVENT_OUTPUT	and outputs_written has reached outputs_at, or
 *	CODEC_EVENT_SPACE	and packets_taken has reached packets_at.
 * "Reached" is a difference below 2^31. So a guest that lets several pictures come together is woken once for all of them. Nothing
 * is kept back for long: before a worker of the device sleeps until the guest does something, and after each change while one
 * sleeps so, the event is sent even if nothing was reached, if outputs are wanted and not all are taken, or space is wanted and
 * the ring of packets is not full. The event names what has happened of that which is wanted. The words are read again each
 * time; a guest can only harm itself with them.
 */
#ifndef CODEC_PROTOCOL_H
#define CODEC_PROTOCOL_H

#include <stdint.h>

#define CODEC_VENDOR 0x5655u
#define CODEC_DEVICE 0x0003u
#define CODEC_VERSION 1u

/* The metadata of a ping. */
#define CODEC_OPEN 1u
#define CODEC_DOORBELL 2u

/* The answer to CODEC_OPEN. A ping that means nothing is answered CODEC_BAD_REQUEST. */
enum codec_answer {
	CODEC_OK = 1,
	CODEC_BAD_REQUEST = 2, /* unknown metadata, or a doorbell before CODEC_OPEN */
	CODEC_BAD_LAYOUT = 3, /* the object is too small, or an area of struct codec_setup is not inside it */
	CODEC_UNKNOWN_CODEC = 4, /* not in enum codec_id, or the host's libavcodec can not decode it */
	CODEC_OPEN_ALREADY = 5,
	CODEC_NO_RESOURCES = 6, /* no memory or no thread on the host, or all decoders together have too much room for pictures */
};

enum codec_id {
	CODEC_H264 = 1, /* packets are access units in the byte stream format (Annex B of H.264) */
	CODEC_VP9 = 2, /* packets are superframes or frames */
	CODEC_AV1 = 3, /* packets are temporal units in the low-overhead format */
};

#define CODEC_RING_ENTRIES 64u
#define CODEC_PACKET_MAX (16u << 20) /* bytes of one packet */
#define CODEC_THREADS_MAX 16u

/* What the guest has written at offset 0 when it sends CODEC_OPEN; read once. */
struct codec_setup {
	uint32_t codec; /* enum codec_id */
	uint32_t threads; /* of the decoder, up to CODEC_THREADS_MAX; 0 lets libavcodec choose */
	uint64_t data_offset; /* where the bytes of packets are; behind CODEC_AREAS */
	uint64_t data_size;
	uint64_t frames_offset; /* where pictures go: a multiple of 4096, behind CODEC_AREAS, apart from the data */
	uint64_t frames_size; /* room for those that the guest holds and, above that, those that the codec refers to */
};

/* Offsets of the counters and words, each in a cache line of its own but for two; all are uint32_t and 0 at CODEC_OPEN. */
#define CODEC_PACKETS_WRITTEN 0x100u /* guest */
#define CODEC_RETURNS_WRITTEN 0x140u /* guest */
#define CODEC_OUTPUTS_TAKEN 0x180u /* guest */
#define CODEC_GUEST_WANTS 0x1c0u /* enum codec_event; set by the guest, exchanged with 0 by the device */
#define CODEC_OUTPUTS_AT 0x1c4u /* guest; in the cache line of guest_wants: the value of outputs_written that is worth an event */
#define CODEC_PACKETS_AT 0x1c8u /* guest; the same of packets_taken */
#define CODEC_PACKETS_TAKEN 0x200u /* device; the packet's bytes may be used again */
#define CODEC_RETURNS_TAKEN 0x240u /* device */
#define CODEC_OUTPUTS_WRITTEN 0x280u /* device */
#define CODEC_DEVICE_WAITS 0x2c0u /* set to 1 by the device if it wants a doorbell, exchanged with 0 by the guest */
#define CODEC_BROKEN 0x300u /* device; enum codec_broken: not 0 if the instance has stopped for good */

/* Offsets of the rings' entries, and where the guest's own areas may begin. */
#define CODEC_PACKETS 0x1000u
#define CODEC_RETURNS 0x1800u
#define CODEC_OUTPUTS 0x2000u
#define CODEC_AREAS 0x4000u

/* What has happened, in guest_wants and in revents. Bit 30 of revents is set as in all events of a device's own. */
enum codec_event {
	CODEC_EVENT_OUTPUT = 1, /* something is in the ring of outputs */
	CODEC_EVENT_SPACE = 2, /* packets were taken */
	CODEC_EVENT_ERROR = 4, /* an error is among the outputs since the last event; comes with CODEC_EVENT_OUTPUT, need not be wanted */
	CODEC_EVENT_BROKEN = 8, /* see CODEC_BROKEN; need not be wanted */
};

/* The guest broke the protocol: its instance has stopped and does nothing more. */
enum codec_broken {
	CODEC_BROKEN_PACKETS = 1, /* more packets written than the ring has room for */
	CODEC_BROKEN_RETURNS = 2, /* more returned than out, or a token that is not out */
	CODEC_BROKEN_OUTPUTS = 3, /* more outputs taken than written */
	CODEC_BROKEN_PACKET = 4, /* a packet that is not inside the data area, empty without CODEC_PACKET_END, or too large */
};

/* An entry of the ring of packets: 32 bytes. */
struct codec_packet {
	uint64_t offset; /* of its first byte, in the object; the bytes must lie in the data area */
	uint32_t size; /* in bytes, up to CODEC_PACKET_MAX; 0 with CODEC_PACKET_END */
	uint32_t flags; /* enum codec_packet_flags */
	int64_t pts; /* comes back with the picture; its unit is the guest's */
	uint64_t reserved; /* 0 */
};

enum codec_packet_flags {
	/*
	 * No packet: the stream ends. What the codec holds back comes out, then an output CODEC_OUTPUT_END. The next packet
	 * begins a new stream of the same codec.
	 */
	CODEC_PACKET_END = 1,
};

enum codec_output_type {
	CODEC_OUTPUT_FRAME = 1,
	CODEC_OUTPUT_ERROR = 2, /* the stream goes on with the next packet */
	CODEC_OUTPUT_END = 3,
};

enum codec_error {
	CODEC_ERROR_CORRUPT = 1, /* libavcodec can not decode a packet */
	CODEC_ERROR_NO_ROOM = 2, /* frames_size is too small for the pictures that the codec needs at the same time */
	CODEC_ERROR_FORMAT = 3, /* a kind of picture that can not be described here */
	CODEC_ERROR_HOST = 4, /* the host has no memory, or libavcodec failed for another reason */
};

enum codec_frame_flags {
	CODEC_FRAME_KEY = 1,
	CODEC_FRAME_CORRUPT = 2, /* parts are missing or were concealed */
	CODEC_FRAME_FULL_RANGE = 4, /* samples use all values; otherwise 16 to 235 of 8 bits, and so on */
	CODEC_FRAME_RGB = 8, /* the planes are green, blue, red */
};

/* An entry of the ring of outputs: 128 bytes. Members that do not apply to the type are 0. */
struct codec_output {
	uint32_t type; /* enum codec_output_type */
	uint32_t error; /* enum codec_error */
	uint32_t token; /* what to put into the ring of returns when the picture is not needed any more; below CODEC_RING_ENTRIES */
	uint32_t flags; /* enum codec_frame_flags */
	int64_t pts; /* of the packet that the picture came in */
	uint32_t width; /* in samples */
	uint32_t height;
	uint32_t planes; /* 1 to 4 */
	uint32_t bits; /* of a sample that mean something: 8 in one byte, 9 to 16 in the low bits of two */
	uint32_t chroma_shift_x; /* planes 1 and 2 have (width + (1 << shift) - 1) >> shift columns */
	uint32_t chroma_shift_y;
	uint32_t matrix; /* MatrixCoefficients of ITU-T H.273: how to make RGB of it; 2 = not known */
	uint32_t stride[4]; /* bytes from a row to the next */
	uint32_t reserved; /* 0 */
	uint64_t plane[4]; /* where each plane's first sample is, in the object */
	uint64_t needed; /* with CODEC_ERROR_NO_ROOM: bytes of the picture that had no room; 0 = not known */
	uint32_t aspect_num; /* width of a sample divided by its height; 0 to 1 = not known */
	uint32_t aspect_den;
	uint64_t reserved2; /* 0 */
};

/* An entry of the ring of returns is a uint32_t: a token. */

_Static_assert(sizeof(struct codec_setup) == 40, "codec_setup");
_Static_assert(sizeof(struct codec_packet) == 32, "codec_packet");
_Static_assert(sizeof(struct codec_output) == 128, "codec_output");

#endif
