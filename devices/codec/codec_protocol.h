/* SPDX-License-Identifier: MIT */
/*
 * The decoder's protocol, version 2: device 5655:0003. README.md tells the story; this file is the reference.
 *
 * One instance decodes one stream at a time. One shared-memory object of the guest's holds all of it: a first part of fixed
 * layout with three rings, the bytes of the stream, and the pictures. All integers are little-endian. Offsets are in bytes
 * from the beginning of the object.
 *
 *	ring		made by	taken by	an entry
 *	chunks		guest	device		some bytes of the stream, or its end
 *	outputs		device	guest		what the stream is, a picture, an error, or the end of the stream
 *	returns		guest	device		a picture that the guest does not need any more
 *
 * A stream is the bytes of a file as they are: H.264 as a byte stream (Annex B of H.264), or IVF with H.264, VP9 or AV1. Where a
 * chunk ends and the next begins means nothing.
 *
 * Each ring has CODEC_RING_ENTRIES entries and two counters that only grow and wrap at 2^32: its maker's, of entries written,
 * and its taker's, of entries taken. Entry number n lies at index n modulo CODEC_RING_ENTRIES. An entry is written before its
 * counter (release), a counter read before its entries (acquire).
 *
 * Pings: CODEC_OPEN names the whole object and wants an answer; CODEC_DOORBELL names no memory and wants none.
 *
 * Who sleeps says so first, and looks at the rings once more between saying so and sleeping. Each time before it sleeps, the
 * device sets device_waits to 1. After a change of chunks_written, returns_written or outputs_taken, and a full fence, the guest
 * exchanges device_waits with 0 and sends a doorbell if it was not 0; it may make several changes before it looks.
 *
 * Before the guest sleeps, it sets outputs_at and chunks_at, then guest_wants. After a change and a full fence the device sends
 * one event, and exchanges guest_wants with 0, if guest_wants has
 *	CODEC_EVENT_OUTPUT	and outputs_written has reached outputs_at, or
 *	CODEC_EVENT_SPACE	and chunks_taken has reached chunks_at.
 * "Reached" is a difference below 2^31. So a guest that lets several pictures come together is woken once for all of them. Nothing
 * is kept back for long: before a worker of the device sleeps until the guest does something, and after each change while one
 * sleeps so, the event is sent even if nothing was reached, if outputs are wanted and not all are taken, or space is wanted and
 * the ring of chunks is not full. The event names what has happened of that which is wanted. The words are read again each
 * time; a guest can only harm itself with them.
 *
 * A guest that has CODEC_EVENT_OUTPUT in guest_wants, and has taken all outputs, gives no picture back before it is woken. If
 * the device can go on only with room that such a guest keeps, it does not wait: the picture is lost, and an error says so.
 */
#ifndef CODEC_PROTOCOL_H
#define CODEC_PROTOCOL_H

#include <stdint.h>

#define CODEC_VENDOR 0x5655u
#define CODEC_DEVICE 0x0003u
#define CODEC_VERSION 2u

/* The metadata of a ping. */
#define CODEC_OPEN 1u
#define CODEC_DOORBELL 2u

/* The answer to CODEC_OPEN. A ping that means nothing is answered CODEC_BAD_REQUEST. */
enum codec_answer {
	CODEC_OK = 1,
	CODEC_BAD_REQUEST = 2, /* unknown metadata, or a doorbell before CODEC_OPEN */
	CODEC_BAD_LAYOUT = 3, /* the object is too small, or an area of struct codec_setup is not inside it */
	CODEC_OPEN_ALREADY = 5,
	CODEC_NO_RESOURCES = 6, /* no memory or no thread on the host, or all decoders together have too much room for pictures */
};

enum codec_id {
	CODEC_H264 = 1,
	CODEC_VP9 = 2,
	CODEC_AV1 = 3,
};

#define CODEC_RING_ENTRIES 64u
#define CODEC_CHUNK_MAX (16u << 20) /* bytes of one chunk */
#define CODEC_PACKET_MAX (16u << 20) /* bytes of the stream in which a packet must come to its end */
#define CODEC_THREADS_MAX 16u

/* What the guest has written at offset 0 when it sends CODEC_OPEN; read once. */
struct codec_setup {
	uint32_t reserved; /* 0 */
	uint32_t threads; /* of the decoder, up to CODEC_THREADS_MAX; 0 lets libavcodec choose */
	uint64_t data_offset; /* where the bytes of chunks are; behind CODEC_AREAS */
	uint64_t data_size;
	uint64_t frames_offset; /* where pictures go: a multiple of 4096, behind CODEC_AREAS, apart from the data */
	uint64_t frames_size; /* room for those that the guest holds and, above that, those that the codec refers to */
};

/* Offsets of the counters and words, each in a cache line of its own but for two; all are uint32_t and 0 at CODEC_OPEN. */
#define CODEC_CHUNKS_WRITTEN 0x100u /* guest */
#define CODEC_RETURNS_WRITTEN 0x140u /* guest */
#define CODEC_OUTPUTS_TAKEN 0x180u /* guest */
#define CODEC_GUEST_WANTS 0x1c0u /* enum codec_event; set by the guest, exchanged with 0 by the device */
#define CODEC_OUTPUTS_AT 0x1c4u /* guest; in the cache line of guest_wants: the value of outputs_written that is worth an event */
#define CODEC_CHUNKS_AT 0x1c8u /* guest; the same of chunks_taken */
#define CODEC_CHUNKS_TAKEN 0x200u /* device; the chunk's bytes may be used again */
#define CODEC_RETURNS_TAKEN 0x240u /* device */
#define CODEC_OUTPUTS_WRITTEN 0x280u /* device */
#define CODEC_DEVICE_WAITS 0x2c0u /* set to 1 by the device if it wants a doorbell, exchanged with 0 by the guest */
#define CODEC_BROKEN 0x300u /* device; enum codec_broken: not 0 if the instance has stopped for good */

/* Offsets of the rings' entries, and where the guest's own areas may begin. */
#define CODEC_CHUNKS 0x1000u
#define CODEC_RETURNS 0x1800u
#define CODEC_OUTPUTS 0x2000u
#define CODEC_AREAS 0x4000u

/* What has happened, in guest_wants and in revents. Bit 30 of revents is set as in all events of a device's own. */
enum codec_event {
	CODEC_EVENT_OUTPUT = 1, /* something is in the ring of outputs */
	CODEC_EVENT_SPACE = 2, /* chunks were taken */
	CODEC_EVENT_ERROR = 4, /* an error is among the outputs since the last event; comes with CODEC_EVENT_OUTPUT, need not be wanted */
	CODEC_EVENT_BROKEN = 8, /* see CODEC_BROKEN; need not be wanted */
};

/* The guest broke the protocol: its instance has stopped and does nothing more. */
enum codec_broken {
	CODEC_BROKEN_CHUNKS = 1, /* more chunks written than the ring has room for */
	CODEC_BROKEN_RETURNS = 2, /* more returned than out, or a token that is not out */
	CODEC_BROKEN_OUTPUTS = 3, /* more outputs taken than written */
	CODEC_BROKEN_CHUNK = 4, /* a chunk that is not inside the data area, empty without CODEC_CHUNK_END, or too large */
};

/* An entry of the ring of chunks: 32 bytes. */
struct codec_chunk {
	uint64_t offset; /* of its first byte, in the object; the bytes must lie in the data area */
	uint32_t size; /* in bytes, up to CODEC_CHUNK_MAX; 0 with CODEC_CHUNK_END */
	uint32_t flags; /* enum codec_chunk_flags */
	uint64_t reserved[2]; /* 0 */
};

enum codec_chunk_flags {
	/*
	 * No bytes: the stream ends. What is left of it comes out, then an output CODEC_OUTPUT_END. The next chunk begins a new
	 * stream, which may be of another kind.
	 */
	CODEC_CHUNK_END = 1,
};

enum codec_output_type {
	CODEC_OUTPUT_FRAME = 1,
	CODEC_OUTPUT_ERROR = 2, /* the stream goes on with the next packet, unless the error says something else */
	CODEC_OUTPUT_END = 3,
	CODEC_OUTPUT_STREAM = 4, /* an entry is a struct codec_stream; before the pictures that it is true of */
};

enum codec_error {
	CODEC_ERROR_CORRUPT = 1, /* libavcodec can not decode a packet */
	CODEC_ERROR_NO_ROOM = 2, /* frames_size is too small for the pictures that are needed at the same time: one is lost */
	CODEC_ERROR_FORMAT = 3, /* a kind of picture that can not be described here */
	CODEC_ERROR_HOST = 4, /* the host has no memory, or libavcodec failed for another reason */
	CODEC_ERROR_INPUT = 5, /* a packet is not complete or too large, or there is no way to the next: the stream is not read on */
	CODEC_ERROR_UNKNOWN = 6, /* not a stream that is described above; it is not read on */
	CODEC_ERROR_KEPT = 7, /* the guest has CODEC_RING_ENTRIES pictures, more can not be out: one is lost */
};

enum codec_frame_flags {
	CODEC_FRAME_KEY = 1,
	CODEC_FRAME_CORRUPT = 2, /* parts are missing or were concealed */
	CODEC_FRAME_FULL_RANGE = 4, /* samples use all values; otherwise 16 to 235 of 8 bits, and so on */
	CODEC_FRAME_RGB = 8, /* the planes are green, blue, red */
};

#define CODEC_NO_TIME INT64_MIN

/* An entry of the ring of outputs: 128 bytes. Members that do not apply to the type are 0. */
struct codec_output {
	uint32_t type; /* enum codec_output_type */
	uint32_t error; /* enum codec_error */
	uint32_t token; /* what to put into the ring of returns when the picture is not needed any more; below CODEC_RING_ENTRIES */
	uint32_t flags; /* enum codec_frame_flags */
	int64_t pts; /* when to show the picture, in units of the stream's time base; or CODEC_NO_TIME */
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
	uint64_t needed; /* with CODEC_ERROR_NO_ROOM: a frames_size that would do, for a guest that keeps as many; 0 = not known.
			 * With CODEC_ERROR_UNKNOWN: the four characters by which IVF names the codec, the first in the lowest byte; or 0. */
	uint32_t aspect_num; /* width of a sample divided by its height; 0 to 1 = not known */
	uint32_t aspect_den;
	int64_t duration; /* for how long to show the picture, in units of the stream's time base; 0 = not known */
};

/* The same entry, with CODEC_OUTPUT_STREAM. Comes again when something of it changes. */
struct codec_stream {
	uint32_t type;
	uint32_t codec; /* enum codec_id */
	uint32_t time_num; /* the stream's time base, in seconds: the unit of timestamps */
	uint32_t time_den;
	uint32_t rate_num; /* pictures in a second, as far as can be told; 0 to 1 = not known */
	uint32_t rate_den;
	uint32_t width; /* as the stream's first part says; each picture has its own. 0 = not known */
	uint32_t height;
	uint32_t aspect_num; /* as with pictures */
	uint32_t aspect_den;
	uint32_t reserved[22]; /* 0 */
};

/* An entry of the ring of returns is a uint32_t: a token. */

_Static_assert(sizeof(struct codec_setup) == 40, "codec_setup");
_Static_assert(sizeof(struct codec_chunk) == 32, "codec_chunk");
_Static_assert(sizeof(struct codec_output) == 128, "codec_output");
_Static_assert(sizeof(struct codec_stream) == 128, "codec_stream");

#endif
