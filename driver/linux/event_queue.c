// SPDX-License-Identifier: GPL-2.0
/*
 * The event queue: keeps buffers posted, hands each event to its instance.
 *
 * The interrupt handler takes a bounded number of events and leaves the rest
 * to a work item, so that a flooding device does not hold the CPU.  While a
 * thread polls, it does their work and they are not wanted.
 */
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "virtio_user_priv.h"

#define VU_EVENT_BUDGET 64

static int vu_event_post(struct vu_event_queue *q, struct vu_event_slot *slot)
{
	struct scatterlist sg;

	sg_init_one(&sg, &slot->msg, sizeof(slot->msg));
	return virtqueue_add_inbuf(q->vq, &sg, 1, slot, GFP_ATOMIC);
}

static void vu_event_deliver(struct vu_device *vu, u64 handle, u32 revents)
{
	struct vu_event_queue *q = &vu->event;
	struct virtio_user_instance *inst;

	rcu_read_lock();
	inst = xa_load(&vu->instances, handle);
	if (inst) {
		vu_instance_event(inst, revents);
	} else if (q->creating && q->early_count == VU_EARLY_MAX) {
		q->early_lost = true;
	} else if (q->creating) {
		q->early[q->early_count].handle = handle;
		q->early[q->early_count].revents = revents;
		q->early_count++;
	} else {
		q->unknown_instance++;
	}
	rcu_read_unlock();
}

/* Under the lock.  Takes what is there, at most @budget; what is left of it. */
static unsigned int vu_event_take(struct vu_device *vu, unsigned int budget)
{
	struct vu_event_queue *q = &vu->event;
	struct vu_event_slot *slot;
	unsigned int len;

	while (budget && (slot = virtqueue_get_buf(q->vq, &len))) {
		__le64 handle = READ_ONCE(slot->msg.instance_handle);
		__le32 revents = READ_ONCE(slot->msg.revents);

		q->received++;
		if (len == sizeof(slot->msg))
			vu_event_deliver(vu, le64_to_cpu(handle),
					 le32_to_cpu(revents));
		else
			q->malformed++;
		vu_event_post(q, slot);
		budget--;
	}
	return budget;
}

/* True if the budget was used up and there may be more. */
static bool vu_event_process(struct vu_device *vu)
{
	struct vu_event_queue *q = &vu->event;
	unsigned int budget = VU_EVENT_BUDGET;
	unsigned long flags;
	bool notify = false;
	bool more = false;

	spin_lock_irqsave(&q->lock, flags);
	if (vu->gone)
		goto unlock;
	do {
		virtqueue_disable_cb(q->vq);
		budget = vu_event_take(vu, budget);
		if (!budget) {
			more = true;
			break;
		}
		/* The last one that polls calls this once more. */
		if (q->pollers)
			more = false;
		else /* Turns cost too: the device may play with the ring. */
			more = !virtqueue_enable_cb(q->vq);
	} while (more && --budget);
	notify = virtqueue_kick_prepare(q->vq);
unlock:
	spin_unlock_irqrestore(&q->lock, flags);
	/* The queue stays: interrupts and work end before it goes. */
	if (notify)
		virtqueue_notify(q->vq);
	return more;
}

static void vu_event_handle(struct vu_device *vu)
{
	if (vu_event_process(vu) && !READ_ONCE(vu->gone))
		queue_work(vu->wq, &vu->event.work);
}

static void vu_event_work(struct work_struct *work)
{
	vu_event_handle(container_of(work, struct vu_device, event.work));
}

void vu_event_callback(struct virtqueue *vq)
{
	struct vu_device *vu = vq->vdev->priv;

	if (vu_ready(vu))
		vu_event_handle(vu);
}

/*
 * The caller is going to call vu_event_poll() until vu_event_poll_end(), and
 * stays on its CPU meanwhile: nobody else looks after the events of all
 * instances.  False if there is nothing to poll.
 */
bool vu_event_poll_begin(struct vu_device *vu)
{
	struct vu_event_queue *q = &vu->event;
	unsigned long flags;
	bool gone;

	/* Where locks may sleep, nobody can hold a CPU with them. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	preempt_disable();
	spin_lock_irqsave(&q->lock, flags);
	gone = vu->gone;
	if (!gone) {
		if (!q->pollers++)
			virtqueue_disable_cb(q->vq);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	if (gone)
		preempt_enable();
	return !gone;
}

/* Delivers what has come.  Does not wait for a lock: who has it does the same. */
void vu_event_poll(struct vu_device *vu)
{
	struct vu_event_queue *q = &vu->event;
	bool notify = false;
	unsigned long flags;

	/* Keeps the virtqueue there until the notification is sent. */
	rcu_read_lock();
	if (spin_trylock_irqsave(&q->lock, flags)) {
		if (!vu->gone &&
		    vu_event_take(vu, VU_EVENT_BUDGET) < VU_EVENT_BUDGET)
			notify = virtqueue_kick_prepare(q->vq);
		spin_unlock_irqrestore(&q->lock, flags);
	}
	if (notify)
		virtqueue_notify(q->vq);
	rcu_read_unlock();
}

/* The device may interrupt again; what has come before that is delivered. */
void vu_event_poll_end(struct vu_device *vu, enum vu_poll_result result)
{
	struct vu_event_queue *q = &vu->event;
	unsigned long flags;

	/* As above; and the work item is not stopped before it is queued. */
	rcu_read_lock();
	spin_lock_irqsave(&q->lock, flags);
	q->pollers--;
	q->polls[result]++;
	spin_unlock_irqrestore(&q->lock, flags);
	vu_event_handle(vu);
	rcu_read_unlock();
	preempt_enable();
}

/*
 * A creation is being sent.  The new instance may raise events before its
 * handle is known here; they are kept until vu_event_adopt().  Whose the events
 * beyond VU_EARLY_MAX are is not known then: the new instance is told of a loss.
 */
void vu_event_expect(struct vu_device *vu)
{
	spin_lock_irq(&vu->event.lock);
	vu->event.creating = true;
	spin_unlock_irq(&vu->event.lock);
}

/*
 * The creation was answered: @inst enters the table, where a place is reserved
 * for it, and gets its early events.  @inst is NULL if there is no instance.
 */
void vu_event_adopt(struct vu_device *vu, struct virtio_user_instance *inst)
{
	struct vu_event_queue *q = &vu->event;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&q->lock, flags);
	q->creating = false;
	if (inst) {
		xa_lock(&vu->instances);
		__xa_store(&vu->instances, inst->handle, inst, GFP_ATOMIC);
		xa_unlock(&vu->instances);
		if (q->early_lost)
			vu_instance_event(inst, VU_NOTICE_OVERFLOW);
	}
	q->early_lost = false;
	for (i = 0; i < q->early_count; i++)
		vu_event_deliver(vu, q->early[i].handle, q->early[i].revents);
	q->early_count = 0;
	spin_unlock_irqrestore(&q->lock, flags);
}

int vu_event_init(struct vu_device *vu)
{
	struct vu_event_queue *q = &vu->event;

	q->size = min_t(u32, virtqueue_get_vring_size(q->vq), VU_RING_MAX);
	/* kmalloc memory: the device writes the messages where they are. */
	q->slots = kcalloc(q->size, sizeof(*q->slots), GFP_KERNEL);
	if (!q->slots)
		return -ENOMEM;
	INIT_WORK(&q->work, vu_event_work);
	return 0;
}

void vu_event_start(struct vu_device *vu)
{
	struct vu_event_queue *q = &vu->event;
	u32 i;

	spin_lock_irq(&q->lock);
	for (i = 0; i < q->size; i++)
		vu_event_post(q, &q->slots[i]);
	virtqueue_kick(q->vq);
	spin_unlock_irq(&q->lock);
}

/* After the reset of a device that is gone. */
void vu_event_detach(struct vu_device *vu)
{
	spin_lock_irq(&vu->event.lock);
	while (virtqueue_detach_unused_buf(vu->event.vq))
		;
	spin_unlock_irq(&vu->event.lock);
}

void vu_event_free(struct vu_device *vu)
{
	kfree(vu->event.slots);
}
