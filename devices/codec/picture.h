/* SPDX-License-Identifier: MIT */
/* What a picture's bytes look like: how many it needs, and how the protocol describes it. */
#ifndef CODEC_PICTURE_H
#define CODEC_PICTURE_H

#include "codec_protocol.h"

#include <libavcodec/avcodec.h>
#include <stdbool.h>

/* Where the planes of a picture lie within its block. */
struct picture_layout {
	uint64_t size; /* of the block, with the bytes behind a plane that codecs may read */
	uint64_t offset[4];
	int stride[4];
};

/* Whether pictures of this format can be told to the guest. */
bool picture_is_known(enum AVPixelFormat format);

/*
 * Whether a codec may have its pictures of this format where the guest can write to them. With 8 bits each value of a sample is a
 * good one. Deeper samples have values that are never in a picture, which codecs do not expect in those that they refer to.
 */
bool picture_is_harmless(enum AVPixelFormat format);

/* Lays out a picture that a codec writes to. Returns false if there is no such picture. */
bool picture_layout_for(AVCodecContext *codec, const AVFrame *frame, struct picture_layout *layout);

/* Lays out a copy of a picture. Returns false if there is no such picture. */
bool picture_layout_of(const AVFrame *frame, struct picture_layout *layout);

/* Points a frame without memory to its planes. */
void picture_place(AVFrame *frame, const struct picture_layout *layout, unsigned char *block);

/* Whether parts of a picture are missing, or were concealed. */
bool picture_is_corrupt(const AVFrame *frame);

/*
 * Describes a picture of a known format.
 *
 * @object: what offsets are counted from
 */
void picture_describe(const AVFrame *frame, const unsigned char *object, struct codec_output *output);

#endif
