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

/* Any context, without a lock. */
bool vu_answer_reserve(struct virtio_user_instance *inst)
{
	if (!atomic_add_unless(&inst->places, 1, VU_ANSWERS_MAX))
		return false;
	atomic_inc(&inst->awaited);
	return true;
}

/* The ping was not sent after all. */
void vu_answer_cancel(struct virtio_user_instance *inst)
{
	atomic_dec(&inst->awaited);
	atomic_dec(&inst->places);
}

static void vu_fifo_push(struct virtio_user_instance *inst, u32 revents)
{
	inst->fifo[(inst->head + inst->count) % VU_FIFO_SIZE] = revents;
	inst->count++;
}

static void vu_instance_notice(struct virtio_user_instance *inst, u32 notice)
{
	switch (notice) {
	case VU_NOTICE_OVERFLOW:
		inst->overflow = true;
		break;
	case VU_NOTICE_ENDED:
		if (inst->ended)
			break;
		WRITE_ONCE(inst->ended, true);
		if (inst->ops && inst->ops->ended)
			inst->ops->ended(inst->context, -EIO);
		break;
	default:
		/* Not known to this driver, and nobody waits for it. */
		inst->vu->event.malformed++;
		break;
	}
}

static void vu_instance_deliver(struct virtio_user_instance *inst, u32 revents)
{
	bool own = vu_event_is_own(revents);

	if (!own && atomic_dec_if_positive(&inst->awaited) < 0) {
		atomic64_inc(&inst->vu->answers_unasked);
		return;
	}
	if (inst->ops && inst->ops->event) {
		if (!own) {
			/* Nobody is going to read it: the place is free. */
			atomic_dec(&inst->places);
			wake_up_interruptible(&inst->writable);
		}
		inst->ops->event(inst->context, revents);
		return;
	}
	if (own) {
		if (inst->own_count == VU_OWN_MAX) {
			inst->overflow = true;
			atomic64_inc(&inst->vu->own_events_lost);
			return;
		}
		inst->own_count++;
	}
	vu_fifo_push(inst, revents);
}

/* An event came for @inst.  Under event.lock, in an RCU section. */
void vu_instance_event(struct virtio_user_instance *inst, u32 revents)
{
	unsigned long flags;
	bool ended;

	spin_lock_irqsave(&inst->event_lock, flags);
	if (!inst->closed) {
		if ((revents & VU_EVENT_NOTICE) == VU_EVENT_NOTICE)
			vu_instance_notice(inst, revents);
		else
			vu_instance_deliver(inst, revents);
	}
	ended = inst->ended;
	spin_unlock_irqrestore(&inst->event_lock, flags);
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
		inst->overflow = !first;
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
		inst->count--;
	}
	spin_unlock_irq(&inst->event_lock);
	if (answers) {
		atomic_sub(answers, &inst->places);
		wake_up_interruptible(&inst->writable);
	}
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
