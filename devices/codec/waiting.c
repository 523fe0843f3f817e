/* SPDX-License-Identifier: MIT */
/* Waiting for the guest, and waking it. */
#include "decoder.h"
#include "host.h"

static void tell(struct decoder *decoder, bool sleeps)
{
	uint32_t news = rings_news(&decoder->rings, sleeps);

	if (decoder->error_news)
		news |= CODEC_EVENT_ERROR | CODEC_EVENT_OUTPUT;
	decoder->error_news = false;
	if (news != 0)
		host->raise_event(decoder->handle, news);
}

void decoder_tell(struct decoder *decoder)
{
	/* While a thread sleeps for the guest, libavcodec can make the others wait for it: there may be nothing more to wait for. */
	tell(decoder, decoder->sleepers != 0);
}

void decoder_break(struct decoder *decoder, enum codec_broken reason)
{
	if (decoder->stopped)
		return;
	decoder->stopped = true;
	rings_break(&decoder->rings, reason);
	host->raise_event(decoder->handle, CODEC_EVENT_BROKEN);
	pthread_cond_broadcast(&decoder->changed);
}

bool decoder_wait(struct decoder *decoder, decoder_condition *met, void *argument)
{
	bool come;

	while (decoder_take_returns(decoder))
		;
	if (decoder->stopped)
		return false;
	if (met(decoder, argument))
		return !decoder->stopped;

	decoder->sleepers++;
	for (;;) {
		/* The word first, then the rings: a guest that changes them after this look sees the word and rings. */
		rings_wait(&decoder->rings, true);
		if (decoder_take_returns(decoder))
			continue;
		if (decoder->stopped)
			break;
		come = met(decoder, argument);
		if (come || decoder->stopped)
			break;
		tell(decoder, true);
		pthread_cond_wait(&decoder->changed, &decoder->lock);
	}
	if (--decoder->sleepers == 0)
		rings_wait(&decoder->rings, false);
	return !decoder->stopped;
}

void decoder_doorbell(struct decoder *decoder)
{
	pthread_mutex_lock(&decoder->lock);
	pthread_cond_broadcast(&decoder->changed);
	pthread_mutex_unlock(&decoder->lock);
}
