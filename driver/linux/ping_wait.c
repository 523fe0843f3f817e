// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for events: a ping that waits for its own answer, and a read.
 *
 * A wait polls the event ring before it sleeps: an answer that comes soon then
 * needs no interrupt and no change of threads.  Where that does not pay, it is
 * given up: after each miss twice as many waits sleep at once as before, so a
 * slow device costs no CPU.  Nor does a wait poll when the CPU has other work.
 */
#include <linux/hrtimer.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "virtio_user_priv.h"

/* However often polling did not pay: one wait in two to the power of this does */
#define VU_POLL_MISSES_MAX 8

static void vu_poll_paid(struct vu_poll_hint *hint)
{
	WRITE_ONCE(hint->misses, 0);
	WRITE_ONCE(hint->skip, 0);
}

static void vu_poll_missed(struct vu_poll_hint *hint)
{
	u32 misses = min(READ_ONCE(hint->misses) + 1, VU_POLL_MISSES_MAX);

	WRITE_ONCE(hint->misses, misses);
	WRITE_ONCE(hint->skip, (1U << misses) - 1);
}

/* True: the caller polls for up to @limit ns. */
static bool vu_poll_begin(struct vu_device *vu, struct vu_poll_hint *hint,
			  u64 limit)
{
	u32 skip = READ_ONCE(hint->skip);

	if (!limit)
		return false;
	if (skip) {
		WRITE_ONCE(hint->skip, skip - 1);
		return false;
	}
	return vu_event_poll_begin(vu);
}

static u64 vu_poll_limit(const struct vu_device *vu)
{
	return (u64)READ_ONCE(vu->poll_us) * NSEC_PER_USEC;
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

/* The wait began at @start. */
static enum vu_poll_result vu_poll_until(struct virtio_user_instance *inst,
					 const struct vu_waiter *waiter,
					 u64 start, u64 limit)
{
	for (;;) {
		vu_event_poll(inst->vu);
		if (vu_wait_over(inst, waiter))
			return VU_POLL_PAID;
		if (need_resched() || signal_pending(current) ||
		    !single_task_running())
			return VU_POLL_STOPPED;
		if (local_clock() - start > limit)
			return VU_POLL_MISSED;
		cpu_relax();
	}
}

/* After vu_poll_begin().  True if the wait that began at @start is over. */
static bool vu_poll(struct virtio_user_instance *inst,
		    const struct vu_waiter *waiter, struct vu_poll_hint *hint,
		    u64 start, u64 limit)
{
	enum vu_poll_result result = vu_poll_until(inst, waiter, start, limit);

	vu_event_poll_end(inst->vu, result);
	if (result == VU_POLL_PAID)
		vu_poll_paid(hint);
	else if (result == VU_POLL_MISSED)
		vu_poll_missed(hint);
	return result == VU_POLL_PAID;
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
	struct vu_device *vu = inst->vu;
	u64 limit = min(vu_poll_limit(vu), (u64)ping->wait_us * NSEC_PER_USEC);
	bool polls, over = false;
	ktime_t deadline;
	u64 start;
	int err;

	for (;;) {
		/* Before it is sent, so that its answer does not interrupt. */
		polls = vu_poll_begin(vu, &inst->ping_hint, limit);
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
		over = vu_poll(inst, &waiter, &inst->ping_hint, start, limit);
	if (!over)
		vu_waiter_sleep(inst, &waiter, deadline);
	if (vu_waiter_leave(inst, &waiter)) {
		/* It slept and need not have. */
		if (!over && local_clock() - start <= limit)
			vu_poll_paid(&inst->ping_hint);
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
	struct vu_poll_hint *hint = &inst->read_hint;
	u64 limit = vu_poll_limit(inst->vu);
	u64 start = local_clock();
	int err;

	if (vu_poll_begin(inst->vu, hint, limit) &&
	    vu_poll(inst, NULL, hint, start, limit))
		return 0;
	err = wait_event_interruptible(inst->readable,
				       vu_events_readable(inst));
	if (!err && local_clock() - start <= limit)
		vu_poll_paid(hint);
	return err;
}
