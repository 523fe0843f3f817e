// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for events: a ping that waits for its own answer, and a read.
 *
 * A wait polls the event ring before it sleeps: an answer that comes soon then
 * needs no interrupt and no change of threads.  Where that does not pay, it is
 * given up but for a small share of the time.  Nor does a wait poll when the
 * CPU has other work.
 */
#include <linux/hrtimer.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "virtio_user_priv.h"

/*
 * How long a wait polls is the law of src/Virtio.Queues/AdaptiveSpin.cs, with
 * the same constants; why it is so is said there.  A hit doubles the time, a
 * miss halves it.  A burst polls for longer than the limit, so that a device
 * that has to wake up is seen to answer, and is itself answered at once; a
 * glance polls shortly, too often to miss the burst of a device.
 */
#define VU_GLANCE_NS (30 * (u32)NSEC_PER_USEC)
#define VU_GLANCE_SHARE 64
#define VU_PROBE_MAX_NS ((u32)NSEC_PER_MSEC)
#define VU_LIMITS_IN_PROBE 8
#define VU_BURST_NS (4 * VU_PROBE_MAX_NS)
#define VU_FIRST_BURST_SHARE 8
#define VU_DOUBLINGS_MAX 6
#define VU_HITS_THAT_PAY 64
/* A wait that was given up: as good as one without end */
#define VU_WAIT_ENDLESS U64_MAX

static_assert(VU_POLL_MAX_US * NSEC_PER_USEC <= VU_PROBE_MAX_NS);
static_assert(((VU_BURST_NS + VU_PROBE_MAX_NS) * (u64)VU_FIRST_BURST_SHARE)
		      << VU_DOUBLINGS_MAX <=
	      U32_MAX);

void vu_spin_init(struct vu_spin *spin)
{
	spin_lock_init(&spin->lock);
	spin->time = U32_MAX;
}

static u32 vu_spin_glance(u32 limit)
{
	return min(limit, VU_GLANCE_NS);
}

static bool vu_spin_glances(const struct vu_spin *spin, u32 limit)
{
	return spin->since_glance >= VU_GLANCE_SHARE * vu_spin_glance(limit);
}

static u32 vu_spin_probe(u32 limit)
{
	return max(limit, min(VU_LIMITS_IN_PROBE * limit, VU_PROBE_MAX_NS));
}

static void vu_spin_end_burst(struct vu_spin *spin)
{
	spin->in_burst = false;
	spin->until_burst = (VU_FIRST_BURST_SHARE * spin->burst_spent)
			    << spin->doublings;
	if (spin->doublings < VU_DOUBLINGS_MAX)
		spin->doublings++;
}

/* How long to poll; 0: not at all. */
static u32 vu_spin_time(struct vu_spin *spin, u32 limit)
{
	u32 time = 0;

	if (!limit)
		return 0;
	spin_lock(&spin->lock);
	if (spin->in_burst)
		time = vu_spin_probe(limit);
	else if (spin->time)
		time = min(spin->time, limit);
	else if (vu_spin_glances(spin, limit))
		time = vu_spin_glance(limit);
	spin_unlock(&spin->lock);
	return time;
}

/* Polling for @spun ns ended a wait. */
static void vu_spin_hit(struct vu_spin *spin, u32 limit, u64 spun)
{
	u32 ns = min_t(u64, spun, vu_spin_probe(limit));
	u32 time;

	if (!limit)
		return;
	spin_lock(&spin->lock);
	if (ns > limit) {
		spin->hits = 0;
	} else {
		time = 2 * max(min(spin->time, limit), ns);
		spin->time = clamp(time, vu_spin_glance(limit), limit);
		if (++spin->hits >= VU_HITS_THAT_PAY) {
			spin->hits = 0;
			spin->doublings = 0;
			spin->until_burst = 0;
			spin->in_burst = false;
		}
	}
	if (spin->in_burst) {
		spin->burst_spent += ns;
		if (spin->burst_spent >= VU_BURST_NS)
			vu_spin_end_burst(spin);
	}
	spin_unlock(&spin->lock);
}

/* Polling for @spun ns, or not at all, did not end a wait of @waited ns. */
static void vu_spin_miss(struct vu_spin *spin, u32 limit, u32 spun, u64 waited)
{
	u32 glance = vu_spin_glance(limit);
	u32 time;

	if (!limit)
		return;
	spin_lock(&spin->lock);
	spin->hits = 0;
	if (!spun) {
		/* Other threads of the instance may have begun to poll. */
	} else if (spin->in_burst) {
		spin->burst_spent += spun;
		vu_spin_end_burst(spin);
	} else if (spin->time) {
		time = min(spin->time, limit) / 2;
		spin->time = time >= glance ? time : 0;
	} else {
		spin->since_glance = 0;
	}
	spin->until_burst -= min_t(u64, spin->until_burst, waited);
	/* One that is pinged rarely does not poll at all. */
	if (waited <= 2 * VU_PROBE_MAX_NS) {
		spin->since_glance = min(spin->since_glance + (u32)waited,
					 VU_GLANCE_SHARE * glance);
		if (!spin->until_burst && !spin->in_burst) {
			spin->in_burst = true;
			spin->burst_spent = 0;
		}
	}
	spin_unlock(&spin->lock);
}

static u32 vu_poll_limit(const struct vu_device *vu)
{
	return READ_ONCE(vu->poll_us) * (u32)NSEC_PER_USEC;
}

/* Has what the caller waits for come?  Without a lock, so it is a hint. */
static bool vu_wait_over(struct virtio_user_instance *inst,
			 const struct vu_waiter *waiter)
{
	if (READ_ONCE(inst->ended) || READ_ONCE(inst->vu->gone))
		return true;
	if (waiter)
		return READ_ONCE(waiter->answered);
	return READ_ONCE(inst->count) || READ_ONCE(inst->overflow);
}

/* For @time ns from @start on; @spun: how long it was when it last looked. */
static enum vu_poll_result vu_poll_until(struct virtio_user_instance *inst,
					 const struct vu_waiter *waiter,
					 u64 start, u32 time, u64 *spun)
{
	for (*spun = 0;; *spun = local_clock() - start) {
		vu_event_poll(inst->vu);
		if (vu_wait_over(inst, waiter))
			return VU_POLL_PAID;
		if (need_resched() || signal_pending(current) ||
		    !single_task_running())
			return VU_POLL_STOPPED;
		if (*spun > time)
			return VU_POLL_MISSED;
		cpu_relax();
	}
}

/* After vu_event_poll_begin(), for a wait that began at @start. */
static enum vu_poll_result vu_poll(struct virtio_user_instance *inst,
				   const struct vu_waiter *waiter,
				   struct vu_spin *spin, u64 start, u32 limit,
				   u32 time)
{
	enum vu_poll_result result;
	u64 spun;

	result = vu_poll_until(inst, waiter, start, time, &spun);
	vu_event_poll_end(inst->vu, result);
	if (result == VU_POLL_PAID)
		vu_spin_hit(spin, limit, spun);
	return result;
}

/* Sleeps until the answer is there, it cannot come, @deadline, or a signal. */
static void vu_waiter_sleep(struct virtio_user_instance *inst,
			    const struct vu_waiter *waiter, ktime_t deadline)
{
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (vu_wait_over(inst, waiter) || signal_pending(current))
			break;
		if (!schedule_hrtimeout_range(&deadline,
					      current->timer_slack_ns,
					      HRTIMER_MODE_ABS))
			break;
	}
	__set_current_state(TASK_RUNNING);
}

/* From here on @waiter is nobody's; was it answered? */
static bool vu_waiter_leave(struct virtio_user_instance *inst,
			    struct vu_waiter *waiter)
{
	spin_lock_irq(&inst->waiters_lock);
	if (!waiter->answered)
		list_del(&waiter->link);
	spin_unlock_irq(&inst->waiters_lock);
	return waiter->answered;
}

/*
 * Sends a ping that asks for an answer and waits for it, ping->wait_us at most.
 * Returns 1 with the answer; 0 if it was sent and the time is over or a signal
 * came: the answer goes to the readers then.  Other errors as vu_ping_send(),
 * also if the instance ends or the device goes during the wait.
 */
int vu_ping_call(struct virtio_user_instance *inst,
		 const struct virtio_user_ping *ping, bool wait, u32 *revents)
{
	struct vu_waiter waiter = {
		.link = LIST_HEAD_INIT(waiter.link),
		.task = current,
	};
	enum vu_poll_result result = VU_POLL_MISSED;
	struct vu_device *vu = inst->vu;
	u32 limit = vu_poll_limit(vu);
	bool polls, answered;
	ktime_t deadline;
	u64 start;
	u32 time;
	int err;

	for (;;) {
		time = min_t(u64, vu_spin_time(&inst->ping_spin, limit),
			     (u64)ping->wait_us * NSEC_PER_USEC);
		/* Before it is sent, so that its answer does not interrupt. */
		polls = time && vu_event_poll_begin(vu);
		if (vu_ping_try(inst, ping, 1, false, &waiter, &err))
			break;
		if (polls)
			vu_event_poll_end(vu, VU_POLL_STOPPED);
		if (err != -EAGAIN || !wait)
			return err;
		err = wait_event_interruptible(inst->writable,
					       vu_ping_ready(inst, true));
		if (err)
			return err;
	}

	deadline = ktime_add_us(ktime_get(), ping->wait_us);
	start = local_clock();
	if (polls)
		result = vu_poll(inst, &waiter, &inst->ping_spin, start, limit,
				 time);
	else if (time)
		result = VU_POLL_STOPPED;
	if (result != VU_POLL_PAID)
		vu_waiter_sleep(inst, &waiter, deadline);
	answered = vu_waiter_leave(inst, &waiter);
	if (result == VU_POLL_MISSED)
		vu_spin_miss(&inst->ping_spin, limit, time,
			     answered ? local_clock() - start
				      : VU_WAIT_ENDLESS);
	if (answered) {
		*revents = waiter.revents;
		return 1;
	}
	if (READ_ONCE(vu->gone))
		return -ENODEV;
	return READ_ONCE(inst->ended) ? -EIO : 0;
}

/* Waits until a read would return at once; 0, or -ERESTARTSYS for a signal. */
int vu_events_wait(struct virtio_user_instance *inst)
{
	enum vu_poll_result result = VU_POLL_MISSED;
	struct vu_spin *spin = &inst->read_spin;
	u32 limit = vu_poll_limit(inst->vu);
	u32 time = vu_spin_time(spin, limit);
	u64 start = local_clock();
	int err;

	if (time)
		result = vu_event_poll_begin(inst->vu)
				 ? vu_poll(inst, NULL, spin, start, limit, time)
				 : VU_POLL_STOPPED;
	if (result == VU_POLL_PAID)
		return 0;
	err = wait_event_interruptible(inst->readable,
				       vu_events_readable(inst));
	if (result == VU_POLL_MISSED)
		vu_spin_miss(spin, limit, time,
			     err ? VU_WAIT_ENDLESS : local_clock() - start);
	return err;
}
