/* SPDX-License-Identifier: MIT */
/* Waiting for the guest, and waking it. */
#include "decoder.h"
#include "host.h"

#include <time.h>

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

/* How long a thread sleeps before it looks whether the guest sleeps as well: nobody rings for that. */
#define LOOK_MILLISECONDS 50

/*
 * How often it looks before it believes that nothing goes on elsewhere. The worker need not wait: while it does not go on, nobody
 * gives the guest anything. libavcodec's other threads can not tell whether it waits for them, or still decodes something that
 * it can give.
 */
#define LOOKS 10

struct patience {
	bool ends;
	uint32_t looks;
	uint32_t progress;
};

static void sleep_a_while(struct decoder *decoder, const struct patience *patience)
{
	struct timespec until;

	if (!patience->ends) {
		pthread_cond_wait(&decoder->changed, &decoder->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MILLISECONDS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&decoder->changed, &decoder->lock, &until);
}

/* Whether there is nothing to wait for any more: the guest, which could return pictures, waits itself. */
static bool is_over(struct decoder *decoder, struct patience *patience)
{
	if (!patience->ends)
		return false;
	if (!rings_guest_sleeps(&decoder->rings) || patience->progress != decoder->progress) {
		patience->looks = 0;
		patience->progress = decoder->progress;
		return false;
	}
	/* What it has returned before it went to sleep was taken before we looked: it may be there by now. */
	if (rings_returns(&decoder->rings) != 0)
		return false;
	if (!pthread_equal(pthread_self(), decoder->worker) && !decoder->starved && ++patience->looks <= LOOKS)
		return false;
	decoder->starved = true;
	return true;
}

/* Returns false if the decoder has stopped. */
static bool wait_with(struct decoder *decoder, decoder_condition *met, void *argument, struct patience patience,
		      bool *come)
{
	bool over = false;

	while (decoder_take_returns(decoder))
		;
	*come = false;
	if (decoder->stopped)
		return false;
	*come = met(decoder, argument);
	if (*come)
		return !decoder->stopped;

	patience.progress = decoder->progress;
	decoder->sleepers++;
	for (;;) {
		/* The word first, then the rings: a guest that changes them after this look sees the word and rings. */
		rings_wait(&decoder->rings, true);
		if (decoder_take_returns(decoder))
			continue;
		if (decoder->stopped)
			break;
		*come = met(decoder, argument);
		if (*come || decoder->stopped || over)
			break;
		tell(decoder, true);
		over = is_over(decoder, &patience);
		if (over)
			continue; /* for one more look at everything */
		sleep_a_while(decoder, &patience);
	}
	if (--decoder->sleepers == 0)
		rings_wait(&decoder->rings, false);
	return !decoder->stopped;
}

bool decoder_wait(struct decoder *decoder, decoder_condition *met, void *argument)
{
	bool come;

	return wait_with(decoder, met, argument, (struct patience){ .ends = false }, &come);
}

bool decoder_wait_for_returns(struct decoder *decoder, decoder_condition *met, void *argument, bool *met_at_last)
{
	return wait_with(decoder, met, argument, (struct patience){ .ends = true }, met_at_last);
}

void decoder_doorbell(struct decoder *decoder)
{
	pthread_mutex_lock(&decoder->lock);
	pthread_cond_broadcast(&decoder->changed);
	pthread_mutex_unlock(&decoder->lock);
}
