/* SPDX-License-Identifier: MIT */
/* What a picture's bytes look like: how many it needs, and how the protocol describes it. */
#include "picture.h"
#include "timing.h"

#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>

#define ALIGNMENT 64
/* Bytes after each plane, for instructions that read too far: more than libavcodec itself provides. */
#define BEHIND 128u

static bool is_plane(const AVPixFmtDescriptor *format, int component)
{
	const AVComponentDescriptor *what = &format->comp[component];

	return what->depth == format->comp[0].depth && what->shift == 0 && what->offset == 0 &&
	       what->step == (what->depth + 7) / 8;
}

bool picture_is_known(enum AVPixelFormat format)
{
	const uint64_t strange = AV_PIX_FMT_FLAG_BE | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BITSTREAM |
				 AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BAYER;
	const AVPixFmtDescriptor *known = av_pix_fmt_desc_get(format);

	if (!known || (known->flags & strange) || known->comp[0].depth < 8 || known->comp[0].depth > 16 ||
	    av_pix_fmt_count_planes(format) != known->nb_components)
		return false;
	for (int component = 0; component < known->nb_components; component++) {
		if (!is_plane(known, component))
			return false;
	}
	return true;
}

bool picture_is_harmless(enum AVPixelFormat format)
{
	return picture_is_known(format) && av_pix_fmt_desc_get(format)->comp[0].depth == 8;
}

static bool lay_out(enum AVPixelFormat format, int width, int height, const int alignment[4],
		    struct picture_layout *layout)
{
	size_t sizes[4];
	ptrdiff_t strides[4];
	bool aligned = false;

	/* All strides grow together: codecs expect the same proportions as without alignment. */
	while (!aligned) {
		if (av_image_fill_linesizes(layout->stride, format, width) < 0)
			return false;
		aligned = true;
		for (int plane = 0; plane < 4; plane++)
			aligned = aligned && layout->stride[plane] % alignment[plane] == 0;
		if (width > INT_MAX / 2)
			return false;
		width += width & -width;
	}
	for (int plane = 0; plane < 4; plane++)
		strides[plane] = layout->stride[plane];
	if (av_image_fill_plane_sizes(sizes, format, height, strides) < 0)
		return false;

	layout->size = 0;
	for (int plane = 0; plane < 4; plane++) {
		layout->offset[plane] = layout->size;
		if (sizes[plane] != 0)
			layout->size += (sizes[plane] + BEHIND + ALIGNMENT - 1) & -(uint64_t)ALIGNMENT;
	}
	return layout->size != 0;
}

bool picture_layout_for(AVCodecContext *codec, const AVFrame *frame, struct picture_layout *layout)
{
	int width = frame->width, height = frame->height;
	int alignment[AV_NUM_DATA_POINTERS];

	avcodec_align_dimensions2(codec, &width, &height, alignment);
	return lay_out(frame->format, width, height, alignment, layout);
}

bool picture_layout_of(const AVFrame *frame, struct picture_layout *layout)
{
	static const int alignment[4] = { ALIGNMENT, ALIGNMENT, ALIGNMENT, ALIGNMENT };

	return lay_out(frame->format, frame->width, frame->height, alignment, layout);
}

void picture_place(AVFrame *frame, const struct picture_layout *layout, unsigned char *block)
{
	for (int plane = 0; plane < AV_NUM_DATA_POINTERS; plane++) {
		bool there = plane < 4 && layout->stride[plane] != 0;

		frame->data[plane] = there ? block + layout->offset[plane] : NULL;
		frame->linesize[plane] = there ? layout->stride[plane] : 0;
	}
	frame->extended_data = frame->data;
}

static bool is_key(const AVFrame *frame)
{
#ifdef AV_FRAME_FLAG_KEY
	return frame->flags & AV_FRAME_FLAG_KEY;
#else
	return frame->key_frame;
#endif
}

bool picture_is_corrupt(const AVFrame *frame)
{
	return frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT);
}

/* Formats with J in their names are older than color_range. */
static bool is_full_range(const AVFrame *frame)
{
	switch (frame->format) {
	case AV_PIX_FMT_YUVJ420P:
	case AV_PIX_FMT_YUVJ422P:
	case AV_PIX_FMT_YUVJ444P:
	case AV_PIX_FMT_YUVJ440P:
		return true;
	default:
		return frame->color_range == AVCOL_RANGE_JPEG;
	}
}

void picture_describe(const AVFrame *frame, const unsigned char *object, struct codec_output *output)
{
	const AVPixFmtDescriptor *format = av_pix_fmt_desc_get(frame->format);
	AVRational aspect = frame->sample_aspect_ratio;

	*output = (struct codec_output){
		.type = CODEC_OUTPUT_FRAME,
		.pts = frame->pts,
		.duration = timing_duration(frame),
		.width = frame->width,
		.height = frame->height,
		.planes = format->nb_components,
		.bits = format->comp[0].depth,
		.chroma_shift_x = format->log2_chroma_w,
		.chroma_shift_y = format->log2_chroma_h,
		.matrix = frame->colorspace,
		.aspect_num = aspect.num >= 0 && aspect.den > 0 ? aspect.num : 0,
		.aspect_den = aspect.num >= 0 && aspect.den > 0 ? aspect.den : 1,
	};
	if (is_key(frame))
		output->flags |= CODEC_FRAME_KEY;
	if (picture_is_corrupt(frame))
		output->flags |= CODEC_FRAME_CORRUPT;
	if (is_full_range(frame))
		output->flags |= CODEC_FRAME_FULL_RANGE;
	if (format->flags & AV_PIX_FMT_FLAG_RGB)
		output->flags |= CODEC_FRAME_RGB;
	for (int plane = 0; plane < format->nb_components; plane++) {
		output->plane[plane] = frame->data[plane] - object;
		output->stride[plane] = frame->linesize[plane];
	}
}
