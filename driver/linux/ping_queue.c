// SPDX-License-Identifier: GPL-2.0
/*
 * The ping queue.  Sending takes one lock, the queue's own, and allocates
 * nothing: there is a slot for each entry of the ring.
 *
 * Used entries are collected when a sender lacks room; only while somebody
 * waits is the device asked to interrupt.  No instance may hold more than a
 * quarter of the ring, and the last quarter is for those that hold none, so
 * that a slow instance cannot shut out the others.
 */
#include <linux/log2.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "virtio_user_priv.h"

static bool vu_ping_has_room(const struct vu_ping_queue *q,
			     const struct virtio_user_instance *inst)
{
	u32 quarter = q->size / 4;

	if (!q->free_count)
		return false;
	if (!inst->in_flight)
		return true;
	return inst->in_flight < quarter && q->free_count > quarter;
}

static void vu_ping_slot_put(struct vu_device *vu, struct vu_ping_slot *slot)
{
	struct virtio_user_instance *inst = slot->inst;
	struct vu_ping_queue *q = &vu->ping;

	slot->inst = NULL;
	slot->next_free = q->free;
	q->free = slot;
	q->free_count++;
	if (--inst->in_flight)
		return;
	if (inst->draining) {
		inst->draining = false;
		q->draining--;
		if (!vu->gone)
			mod_delayed_work(vu->wq, &vu->closing_work, 0);
	}
	vu_instance_put(inst);
}

/* Collects used entries and wakes those who wait for one. */
static void vu_ping_reclaim(struct vu_device *vu)
{
	struct vu_ping_queue *q = &vu->ping;
	struct virtio_user_instance *inst, *next;
	struct vu_ping_slot *slot;
	unsigned int len;
	bool any = false;

	while ((slot = virtqueue_get_buf(q->vq, &len))) {
		vu_ping_slot_put(vu, slot);
		any = true;
	}
	if (!any && !virtqueue_is_broken(q->vq))
		return;
	list_for_each_entry_safe(inst, next, &q->starved, starved_link) {
		list_del_init(&inst->starved_link);
		wake_up_interruptible(&inst->writable);
	}
}

/*
 * Room for one more entry of @inst?  If not, @inst is woken when there may be.
 * Two turns are the rule; the bound is for a device that plays with the ring.
 */
static bool vu_ping_make_room(struct virtio_user_instance *inst)
{
	struct vu_device *vu = inst->vu;
	struct vu_ping_queue *q = &vu->ping;
	u32 turns;

	if (vu_ping_has_room(q, inst))
		return true;
	vu_ping_reclaim(vu);
	for (turns = 0; turns <= q->size; turns++) {
		if (vu_ping_has_room(q, inst))
			return true;
		if (list_empty(&inst->starved_link))
			list_add_tail(&inst->starved_link, &q->starved);
		if (virtqueue_enable_cb(q->vq))
			return false;
		vu_ping_reclaim(vu);
	}
	return false;
}

/* Asks for an interrupt at the next used entry; collects those before it. */
static void vu_ping_arm(struct vu_device *vu)
{
	struct vu_ping_queue *q = &vu->ping;
	u32 turns;

	for (turns = 0; turns <= q->size; turns++) {
		if (virtqueue_enable_cb(q->vq))
			return;
		vu_ping_reclaim(vu);
	}
}

static int vu_ping_add(struct virtio_user_instance *inst,
		       const struct virtio_user_ping *ping,
		       struct vu_waiter *waiter)
{
	struct vu_device *vu = inst->vu;
	struct vu_ping_queue *q = &vu->ping;
	struct vu_ping_slot *slot;
	struct scatterlist sg;
	int err;

	if (vu->gone || virtqueue_is_broken(q->vq))
		return -ENODEV;
	if (READ_ONCE(inst->ended))
		return -EIO;
	if (!vu_ping_make_room(inst))
		return -EAGAIN;
	/* Before it is sent: the answer may come before this function is left. */
	if (ping->events && !vu_answer_reserve(inst, waiter))
		return -EAGAIN;
	slot = q->free;
	slot->msg.instance_handle = cpu_to_le64(inst->handle);
	slot->msg.metadata = cpu_to_le64(ping->metadata);
	slot->msg.shm_id = cpu_to_le64(ping->shm_id);
	slot->msg.shm_offset = cpu_to_le64(ping->shm_offset);
	slot->msg.shm_size = cpu_to_le64(ping->shm_size);
	slot->msg.events = cpu_to_le32(ping->events);
	sg_init_one(&sg, &slot->msg, sizeof(slot->msg));
	err = virtqueue_add_outbuf(q->vq, &sg, 1, slot, GFP_ATOMIC);
	if (err) {
		if (ping->events)
			vu_answer_cancel(inst, waiter);
		/* -EIO: the device broke the ring. */
		return err == -EIO ? -ENODEV : err;
	}
	q->free = slot->next_free;
	q->free_count--;
	slot->inst = inst;
	if (!inst->in_flight++)
		kref_get(&inst->ref);
	q->unkicked = true;
	q->sent++;
	return 0;
}

/* Under the lock.  True: the device is to be notified, outside the lock. */
static bool vu_ping_kick_prepare(struct vu_device *vu)
{
	struct vu_ping_queue *q = &vu->ping;

	if (!q->unkicked || vu->gone)
		return false;
	q->unkicked = false;
	return virtqueue_kick_prepare(q->vq);
}

/*
 * Queues as many of @pings as there is room for; does not sleep.  Without @more,
 * or if not all fit, the device is notified.  Notifying leaves the guest and
 * takes long, so it is done outside the lock; the RCU section keeps the
 * virtqueue there.  @waiter, with a single ping, gets its answer.
 */
unsigned int vu_ping_try(struct virtio_user_instance *inst,
			 const struct virtio_user_ping *pings,
			 unsigned int count, bool more,
			 struct vu_waiter *waiter, int *err)
{
	struct vu_device *vu = inst->vu;
	struct vu_ping_queue *q = &vu->ping;
	unsigned int done = 0;
	unsigned long flags;
	bool notify = false;

	*err = 0;
	rcu_read_lock();
	spin_lock_irqsave(&q->lock, flags);
	while (done < count) {
		*err = vu_ping_add(inst, &pings[done], waiter);
		if (*err)
			break;
		done++;
	}
	if (*err || !more)
		notify = vu_ping_kick_prepare(vu);
	spin_unlock_irqrestore(&q->lock, flags);
	if (notify)
		virtqueue_notify(q->vq);
	rcu_read_unlock();
	return done;
}

/* Tells the device of entries that were sent with @more. */
void vu_ping_kick(struct vu_device *vu)
{
	struct vu_ping_queue *q = &vu->ping;
	unsigned long flags;
	bool notify;

	rcu_read_lock();
	spin_lock_irqsave(&q->lock, flags);
	notify = vu_ping_kick_prepare(vu);
	spin_unlock_irqrestore(&q->lock, flags);
	if (notify)
		virtqueue_notify(q->vq);
	rcu_read_unlock();
}

/*
 * Would a ping be taken now, or fail at once?  With @answer: one that asks for
 * an answer.  If not, instance.writable is woken when it may be.
 */
bool vu_ping_ready(struct virtio_user_instance *inst, bool answer)
{
	struct vu_device *vu = inst->vu;
	struct vu_ping_queue *q = &vu->ping;
	unsigned long flags;
	bool ready;

	rcu_read_lock();
	spin_lock_irqsave(&q->lock, flags);
	ready = vu->gone || virtqueue_is_broken(q->vq) ||
		READ_ONCE(inst->ended) ||
		((!answer || atomic_read(&inst->places) < VU_ANSWERS_MAX) &&
		 vu_ping_make_room(inst));
	spin_unlock_irqrestore(&q->lock, flags);
	rcu_read_unlock();
	return ready;
}

/*
 * Sends pings in their order.  Returns how many were sent, or, if none was, the
 * error: -EAGAIN if there is no room and @wait is not set, -EIO if the instance
 * has ended, -ENODEV, -ERESTARTSYS.  With @wait unset it does not sleep and may
 * be called in any context.  With @more the device may be left unnotified; the
 * caller then sends more or calls vu_ping_kick().
 */
int vu_ping_send(struct virtio_user_instance *inst,
		 const struct virtio_user_ping *pings, unsigned int count,
		 bool wait, bool more)
{
	unsigned int sent = 0;
	int err;

	for (;;) {
		bool answer;

		sent += vu_ping_try(inst, pings + sent, count - sent, more,
				    NULL, &err);
		if (!err)
			return sent;
		if (err != -EAGAIN || !wait)
			return sent ? sent : err;
		answer = pings[sent].events;
		err = wait_event_interruptible(inst->writable,
					       vu_ping_ready(inst, answer));
		if (err)
			return sent ? sent : err;
	}
}

/* True if nothing of a closed instance is in the ring; else it is drained. */
bool vu_ping_drain(struct virtio_user_instance *inst)
{
	struct vu_device *vu = inst->vu;
	struct vu_ping_queue *q = &vu->ping;
	bool drained = true;
	unsigned long flags;

	rcu_read_lock();
	spin_lock_irqsave(&q->lock, flags);
	list_del_init(&inst->starved_link);
	if (vu->gone)
		goto unlock;
	vu_ping_reclaim(vu);
	if (inst->in_flight) {
		inst->draining = true;
		q->draining++;
		vu_ping_arm(vu);
		drained = !inst->in_flight;
	}
unlock:
	spin_unlock_irqrestore(&q->lock, flags);
	rcu_read_unlock();
	return drained;
}

void vu_ping_callback(struct virtqueue *vq)
{
	struct vu_device *vu = vq->vdev->priv;
	struct vu_ping_queue *q = &vu->ping;
	unsigned long flags;

	if (!vu_ready(vu))
		return;
	spin_lock_irqsave(&q->lock, flags);
	if (!vu->gone) {
		virtqueue_disable_cb(vq);
		vu_ping_reclaim(vu);
		/* Who still waits for room asks again; the drained cannot. */
		if (q->draining)
			vu_ping_arm(vu);
	}
	spin_unlock_irqrestore(&q->lock, flags);
}

int vu_ping_init(struct vu_device *vu)
{
	struct vu_ping_queue *q = &vu->ping;
	u32 i;

	q->size = min_t(u32, virtqueue_get_vring_size(q->vq), VU_RING_MAX);
	/* kmalloc memory: the device reads the messages where they are. */
	q->slots = kcalloc(q->size, sizeof(*q->slots), GFP_KERNEL);
	if (!q->slots)
		return -ENOMEM;
	for (i = q->size; i--;) {
		q->slots[i].next_free = q->free;
		q->free = &q->slots[i];
	}
	q->free_count = q->size;
	virtqueue_disable_cb(q->vq);
	return 0;
}

/* After the reset of a device that is gone: its entries are ours again. */
void vu_ping_detach(struct vu_device *vu)
{
	struct vu_ping_slot *slot;

	spin_lock_irq(&vu->ping.lock);
	while ((slot = virtqueue_detach_unused_buf(vu->ping.vq)))
		vu_ping_slot_put(vu, slot);
	spin_unlock_irq(&vu->ping.lock);
}

void vu_ping_free(struct vu_device *vu)
{
	kfree(vu->ping.slots);
}
