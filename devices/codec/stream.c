/* SPDX-License-Identifier: MIT */
/* One stream: libavformat's demuxer over the input, and libavcodec's decoder. */
#include "stream.h"
#include "decoder.h"

#include <libavutil/cpu.h>
#include <libavutil/opt.h>
#include <string.h>

#define IO_BUFFER (32 << 10) /* as large as ffmpeg's for files */

/*
 * What a stream is libavformat finds out as ffmpeg has it do: from up to 5 MB. But packets of a few bytes each would take up
 * a hundred times as much of the host's memory.
 */
#define PROBED_MAX 16384

/* These, and nothing that libavcodec or libavformat might choose in their places. */
#define DECODERS "h264,vp9,libdav1d"

/* libavformat asks after each packet while it finds out what the stream is. */
static int is_interrupted(void *argument)
{
	struct decoder *decoder = argument;
	struct stream *stream = &decoder->stream;

	return (stream->probing && ++stream->probed > PROBED_MAX) || decoder_has_stopped(decoder);
}

/* Nothing but the guest's bytes is ever opened. */
static int refuse(AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
	(void)format, (void)io, (void)url, (void)flags, (void)options;
	return AVERROR(EPERM);
}

/* Which of libavformat's demuxers reads it. H.264 has no mark at its beginning, and may begin with anything. */
static const AVInputFormat *find_format(struct decoder *decoder)
{
	static const unsigned char ivf[INPUT_PEEK_MAX] = { 'D', 'K', 'I', 'F', 0, 0, 32, 0 };
	unsigned char bytes[INPUT_PEEK_MAX];
	bool is_ivf = input_peek(decoder, bytes) == INPUT_PEEK_MAX && memcmp(bytes, ivf, sizeof(ivf)) == 0;

	return av_find_input_format(is_ivf ? "ivf" : "h264");
}

static AVFormatContext *make_format(struct decoder *decoder, AVIOContext *io)
{
	AVFormatContext *format = avformat_alloc_context();

	if (!format)
		return NULL;
	format->pb = io;
	format->interrupt_callback = (AVIOInterruptCB){ is_interrupted, decoder };
	format->io_open = refuse;
	format->max_streams = 1;
	if (av_opt_set(format, "codec_whitelist", DECODERS, 0) < 0 ||
	    av_opt_set(format, "format_whitelist", "h264,ivf", 0) < 0 ||
	    av_opt_set(format, "protocol_whitelist", "", 0) < 0) {
		avformat_free_context(format);
		return NULL;
	}
	return format;
}

static enum codec_error open_format(struct decoder *decoder)
{
	struct stream *stream = &decoder->stream;
	unsigned char *buffer = av_malloc(IO_BUFFER);
	int result;

	if (!buffer)
		return CODEC_ERROR_HOST;
	stream->io = avio_alloc_context(buffer, IO_BUFFER, 0, decoder, input_read, NULL, NULL);
	if (!stream->io) {
		av_free(buffer);
		return CODEC_ERROR_HOST;
	}
	stream->format = make_format(decoder, stream->io);
	if (!stream->format)
		return CODEC_ERROR_HOST;
	input_allow(decoder, CODEC_PACKET_MAX);
	result = avformat_open_input(&stream->format, "", find_format(decoder), NULL); /* frees it if it fails */
	if (result < 0)
		return result == AVERROR(ENOMEM) ? CODEC_ERROR_HOST : CODEC_ERROR_INPUT;
	return stream->format->nb_streams == 1 ? 0 : CODEC_ERROR_UNKNOWN;
}

static enum codec_error find_out(struct decoder *decoder)
{
	struct stream *stream = &decoder->stream;
	AVDictionary *options = NULL; /* of the codec that libavformat opens to find out */
	int result;

	stream->video = stream->format->streams[0];
	stream->said = (uint64_t)FFMAX(stream->video->codecpar->width, 0) *
		       (uint64_t)FFMAX(stream->video->codecpar->height, 0);
	input_allow(decoder, (uint64_t)stream->format->probesize + CODEC_PACKET_MAX);
	av_dict_set_int(&options, "max_pixels", decoder_samples_max(decoder, stream->video->codecpar->codec_id), 0);
	stream->probing = true;
	result = avformat_find_stream_info(stream->format, &options);
	stream->probing = false;
	av_dict_free(&options);
	/* If it found out too little, decoding can find out more. */
	return result == AVERROR(ENOMEM) ? CODEC_ERROR_HOST : 0;
}

static const AVCodec *find_codec(enum AVCodecID id, uint32_t *told)
{
	switch (id) {
	case AV_CODEC_ID_H264:
		*told = CODEC_H264;
		return avcodec_find_decoder_by_name("h264");
	case AV_CODEC_ID_VP9:
		*told = CODEC_VP9;
		return avcodec_find_decoder_by_name("vp9");
	case AV_CODEC_ID_AV1:
		*told = CODEC_AV1;
		/* libavcodec's own needs a graphics card, and it sets libaom no limit for the size of a picture. */
		return avcodec_find_decoder_by_name("libdav1d");
	default:
		return NULL;
	}
}

/* As ffmpeg sets it up: what a damaged stream's pictures look like depends on it. */
static AVCodecContext *open_codec(struct decoder *decoder, const AVCodec *codec)
{
	AVStream *video = decoder->stream.video;
	AVCodecContext *context = avcodec_alloc_context3(codec);

	if (!context)
		return NULL;
	if (avcodec_parameters_to_context(context, video->codecpar) < 0)
		goto fail;
	context->framerate = video->avg_frame_rate;
	context->pkt_timebase = video->time_base;
	context->opaque = decoder;
	context->get_buffer2 = decoder_get_buffer;
	context->get_format = decoder_get_format;
	context->thread_count = decoder->setup.threads;
	/* libdav1d would choose one for each processor, up to 256. */
	if (context->thread_count == 0 && (codec->capabilities & AV_CODEC_CAP_OTHER_THREADS))
		context->thread_count = FFMIN(av_cpu_count(), (int)CODEC_THREADS_MAX);
	context->thread_type = FF_THREAD_FRAME | FF_THREAD_SLICE;
	if (decoder_has_own_memory(codec))
		context->max_pixels = decoder_samples_max(decoder, codec->id);
#if LIBAVCODEC_VERSION_MAJOR < 60
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* it is needed as long as it is there */
	context->thread_safe_callbacks = 1;
#pragma GCC diagnostic pop
#endif
	if (avcodec_open2(context, codec, NULL) >= 0)
		return context;

fail:
	avcodec_free_context(&context);
	return NULL;
}

enum codec_error stream_open(struct decoder *decoder, uint64_t *needed)
{
	struct stream *stream = &decoder->stream;
	const AVCodec *codec;
	enum codec_error wrong;

	memset(stream, 0, sizeof(*stream));
	stream->pixel_format = AV_PIX_FMT_NONE;
	wrong = open_format(decoder);
	if (wrong == 0)
		wrong = find_out(decoder);
	if (wrong != 0)
		return wrong;
	codec = find_codec(stream->video->codecpar->codec_id, &stream->told.codec);
	if (!codec) {
		*needed = stream->video->codecpar->codec_tag;
		return CODEC_ERROR_UNKNOWN;
	}
	stream->codec = open_codec(decoder, codec);
	if (!stream->codec)
		return decoder_own_is_too_large(decoder, codec, needed) ? CODEC_ERROR_NO_ROOM : CODEC_ERROR_HOST;
	timing_start(&stream->timing, stream->format);
	stream_tell(decoder, NULL);
	return 0;
}

void stream_close(struct decoder *decoder)
{
	struct stream *stream = &decoder->stream;

	avcodec_free_context(&stream->codec);
	avformat_close_input(&stream->format);
	if (stream->io)
		av_freep(&stream->io->buffer);
	avio_context_free(&stream->io);
}

static bool is_same_rate(const struct codec_stream *told, AVRational rate)
{
	return told->type == CODEC_OUTPUT_STREAM && told->rate_num == (uint32_t)rate.num &&
	       told->rate_den == (uint32_t)rate.den;
}

void stream_tell(struct decoder *decoder, const AVFrame *frame)
{
	struct stream *stream = &decoder->stream;
	const AVCodecParameters *known = stream->video->codecpar;
	AVRational rate, aspect;

	/* ffmpeg looks again when it sets up its filters: for pictures of another kind than before. */
	if (frame && stream->pictures != 0 && frame->width == stream->width && frame->height == stream->height &&
	    frame->format == stream->pixel_format)
		return;
	if (frame) {
		stream->width = frame->width;
		stream->height = frame->height;
		stream->pixel_format = frame->format;
	}
	rate = av_guess_frame_rate(stream->format, stream->video, NULL);
	if (rate.num <= 0 || rate.den <= 0)
		rate = (AVRational){ 0, 1 };
	if (is_same_rate(&stream->told, rate))
		return;

	aspect = frame ? frame->sample_aspect_ratio : known->sample_aspect_ratio;
	if (aspect.num < 0 || aspect.den <= 0)
		aspect = (AVRational){ 0, 1 };
	stream->told = (struct codec_stream){
		.type = CODEC_OUTPUT_STREAM,
		.codec = stream->told.codec,
		.time_num = stream->video->time_base.num,
		.time_den = stream->video->time_base.den,
		.rate_num = rate.num,
		.rate_den = rate.den,
		.aspect_num = aspect.num,
		.aspect_den = aspect.den,
	};
	if (frame || known->format != AV_PIX_FMT_NONE) {
		stream->told.width = FFMAX(frame ? frame->width : known->width, 0);
		stream->told.height = FFMAX(frame ? frame->height : known->height, 0);
	}
	decoder_put_stream(decoder, &stream->told);
}

int stream_read(struct decoder *decoder, AVPacket *packet)
{
	input_allow(decoder, CODEC_PACKET_MAX);
	return av_read_frame(decoder->stream.format, packet);
}
