// SPDX-License-Identifier: GPL-2.0
/*
 * The events that an instance has received and its owner has not read.
 *
 * An answer always finds a place: a ping that asks for one takes the place when
 * it is sent (places), and an event that claims to be an answer is dropped
 * unless one is awaited.  What the device sends unasked has a bound of its own;
 * beyond it events are dropped, and the next read says so.
 */
#include "virtio_user_priv.h"

static bool vu_event_is_own(u32 revents)
{
	return (revents & VU_EVENT_NOTICE) == VU_EVENT_OWN;
}

/*
 * A ping that wants an answer is about to be sent.  Answers of an instance come
 * in the order of its pings, so the number of the ping tells which one is its
 * answer; @waiter, if not NULL, gets that one, and no reader.  Under ping.lock.
 */
bool vu_answer_reserve(struct virtio_user_instance *inst,
		       struct vu_waiter *waiter)
{
	if (!atomic_add_unless(&inst->places, 1, VU_ANSWERS_MAX))
		return false;
	if (waiter) {
		waiter->number = inst->asked;
		spin_lock(&inst->waiters_lock);
		list_add_tail(&waiter->link, &inst->waiters);
		spin_unlock(&inst->waiters_lock);
		/* Listed before an answer can be taken for its own. */
		smp_mb__before_atomic();
	}
	inst->asked++;
	atomic_inc(&inst->awaited);
	return true;
}

/* The ping was not sent after all.  Under the same ping.lock. */
void vu_answer_cancel(struct virtio_user_instance *inst,
		      struct vu_waiter *waiter)
{
	atomic_dec(&inst->awaited);
	inst->asked--;
	if (waiter) {
		spin_lock(&inst->waiters_lock);
		list_del_init(&waiter->link);
		spin_unlock(&inst->waiters_lock);
	}
	atomic_dec(&inst->places);
}

/* Answers were taken that held @count places. */
static void vu_places_free(struct virtio_user_instance *inst, int count)
{
	atomic_sub(count, &inst->places);
	if (wq_has_sleeper(&inst->writable))
		wake_up_interruptible(&inst->writable);
}

/* Is the next answer that of a ping that waits?  Then it is answered. */
static bool vu_waiter_answer(struct virtio_user_instance *inst, u32 revents)
{
	u32 number = inst->answers++;
	struct vu_waiter *waiter;
	bool waits = false;

	if (list_empty(&inst->waiters))
		return false;
	spin_lock(&inst->waiters_lock);
	waiter = list_first_entry_or_null(&inst->waiters, struct vu_waiter,
					  link);
	if (waiter && waiter->number == number) {
		waits = true;
		list_del_init(&waiter->link);
		waiter->revents = revents;
		WRITE_ONCE(waiter->answered, true);
		/* It takes the lock before it leaves: it is still there. */
		wake_up_process(waiter->task);
	}
	spin_unlock(&inst->waiters_lock);
	return waits;
}

/* No answer will come any more. */
void vu_waiters_wake(struct virtio_user_instance *inst)
{
	struct vu_waiter *waiter;
	unsigned long flags;

	spin_lock_irqsave(&inst->waiters_lock, flags);
	list_for_each_entry(waiter, &inst->waiters, link)
		wake_up_process(waiter->task);
	spin_unlock_irqrestore(&inst->waiters_lock, flags);
}

static void vu_fifo_push(struct virtio_user_instance *inst, u32 revents)
{
	inst->fifo[(inst->head + inst->count) % VU_FIFO_SIZE] = revents;
	WRITE_ONCE(inst->count, inst->count + 1);
}

static void vu_instance_notice(struct virtio_user_instance *inst, u32 notice)
{
	switch (notice & ~VU_NOTICE_COUNT) {
	case VU_NOTICE_OVERFLOW:
		WRITE_ONCE(inst->overflow, true);
		break;
	case VU_NOTICE_ENDED:
		if (inst->ended)
			break;
		WRITE_ONCE(inst->ended, true);
		vu_waiters_wake(inst);
		if (inst->ops && inst->ops->ended)
			inst->ops->ended(inst->context, -EIO);
		break;
	case VU_NOTICE_INTERRUPTED:
		/* The instance is being closed, and nobody reads it any more. */
		break;
	default:
		/* Not known to this driver, and nobody waits for it. */
		inst->vu->event.malformed++;
		break;
	}
}

/* True if there is something to read now. */
static bool vu_instance_deliver(struct virtio_user_instance *inst, u32 revents)
{
	bool own = vu_event_is_own(revents);

	if (!own && atomic_dec_if_positive(&inst->awaited) < 0) {
		atomic64_inc(&inst->vu->answers_unasked);
		return false;
	}
	if (!own && vu_waiter_answer(inst, revents)) {
		inst->vu->event.handed_over++;
		vu_places_free(inst, 1);
		return false;
	}
	if (inst->ops && inst->ops->event) {
		/* Nobody is going to read it: the place is free. */
		if (!own)
			vu_places_free(inst, 1);
		inst->ops->event(inst->context, revents);
		return false;
	}
	if (own) {
		if (inst->own_count == VU_OWN_MAX) {
			WRITE_ONCE(inst->overflow, true);
			atomic64_inc(&inst->vu->own_events_lost);
			return true;
		}
		inst->own_count++;
	}
	vu_fifo_push(inst, revents);
	return true;
}

/* An event came for @inst.  Under event.lock, in an RCU section. */
void vu_instance_event(struct virtio_user_instance *inst, u32 revents)
{
	bool readable = true;
	unsigned long flags;
	bool ended;

	spin_lock_irqsave(&inst->event_lock, flags);
	if (!inst->closed) {
		if ((revents & VU_EVENT_NOTICE) == VU_EVENT_NOTICE)
			vu_instance_notice(inst, revents);
		else
			readable = vu_instance_deliver(inst, revents);
	}
	ended = inst->ended;
	spin_unlock_irqrestore(&inst->event_lock, flags);
	if (readable)
		wake_up_interruptible(&inst->readable);
	if (ended)
		wake_up_interruptible(&inst->writable);
}

/*
 * Looks at the oldest events.  Returns how many, up to @count, or -EAGAIN if
 * there is none, -EOVERFLOW if some were lost (said once, and only if @first:
 * who has taken events in the same call cannot tell its caller), -EIO if the
 * instance has ended, -ENODEV.  The caller holds instance.read_lock.
 */
int vu_events_peek(struct virtio_user_instance *inst, u32 *revents,
		   unsigned int count, bool first)
{
	unsigned int i;
	int ret;

	if (READ_ONCE(inst->vu->gone))
		return -ENODEV;
	spin_lock_irq(&inst->event_lock);
	if (inst->overflow) {
		WRITE_ONCE(inst->overflow, !first);
		ret = -EOVERFLOW;
	} else if (inst->count) {
		ret = min(count, inst->count);
		for (i = 0; i < ret; i++)
			revents[i] =
				inst->fifo[(inst->head + i) % VU_FIFO_SIZE];
	} else {
		ret = inst->ended ? -EIO : -EAGAIN;
	}
	spin_unlock_irq(&inst->event_lock);
	return ret;
}

/* Takes the events away that vu_events_peek() showed. */
void vu_events_consume(struct virtio_user_instance *inst, unsigned int count)
{
	unsigned int answers = 0;

	spin_lock_irq(&inst->event_lock);
	while (count--) {
		if (vu_event_is_own(inst->fifo[inst->head]))
			inst->own_count--;
		else
			answers++;
		inst->head = (inst->head + 1) % VU_FIFO_SIZE;
		WRITE_ONCE(inst->count, inst->count - 1);
	}
	spin_unlock_irq(&inst->event_lock);
	if (answers)
		vu_places_free(inst, answers);
}

/* Would a read return at once? */
bool vu_events_readable(struct virtio_user_instance *inst)
{
	bool readable;

	spin_lock_irq(&inst->event_lock);
	readable = inst->count || inst->overflow || inst->ended ||
		   READ_ONCE(inst->vu->gone);
	spin_unlock_irq(&inst->event_lock);
	return readable;
}
