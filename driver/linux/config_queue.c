// SPDX-License-Identifier: GPL-2.0
/*
 * The config queues: one exchange of request and reply at a time for the whole
 * device, driven by one work item.
 *
 * A requester waits killably.  Nothing of its own is in the device's hands: the
 * buffers belong to the queue, and an exchange whose requester was killed is
 * left to finish; then what it brought is taken back (struct vu_request, undo).
 */
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "virtio_user_priv.h"

/* Steps that the worker takes before it lets others have the CPU */
#define VU_CONFIG_BUDGET 64

static void vu_request_release(struct kref *ref)
{
	struct vu_request *req = container_of(ref, struct vu_request, ref);

	if (req->shm)
		vu_shm_put(req->shm);
	if (req->inst)
		vu_instance_put(req->inst);
	kfree(req);
}

void vu_request_put(struct vu_request *req)
{
	kref_put(&req->ref, vu_request_release);
}

/* The request counts as a reference to @inst. */
struct vu_request *vu_request_new(struct virtio_user_instance *inst,
				  const struct vu_config_op *op)
{
	struct vu_request *req;

	req = kzalloc(sizeof(*req), GFP_KERNEL_ACCOUNT);
	if (!req)
		return NULL;
	kref_init(&req->ref);
	INIT_LIST_HEAD(&req->node);
	init_completion(&req->done);
	req->op = op;
	req->vu = inst->vu;
	kref_get(&inst->ref);
	req->inst = inst;
	return req;
}

/* Queues a request; the queue takes a reference of its own. */
int vu_config_submit(struct vu_request *req)
{
	struct vu_device *vu = req->vu;
	int err = 0;

	spin_lock_irq(&vu->config.lock);
	if (vu->gone) {
		err = -ENODEV;
	} else {
		kref_get(&req->ref);
		req->queued = true;
		list_add_tail(&req->node, &vu->config.waiting);
		queue_work(vu->wq, &vu->config.work);
	}
	spin_unlock_irq(&vu->config.lock);
	return err;
}

/*
 * Queues a request and waits for what comes of it: 0, what the device's error
 * stands for, -EPROTO for a reply that makes no sense, -ENODEV without a
 * device, -EINTR if the caller was killed.
 */
int vu_config_exchange(struct vu_request *req)
{
	struct vu_config_queue *q = &req->vu->config;
	bool taken_back = false;
	int err;

	err = vu_config_submit(req);
	if (err)
		return err;
	if (!wait_for_completion_killable(&req->done))
		return req->result;

	spin_lock_irq(&q->lock);
	if (req->completed) {
		err = req->result;
	} else {
		err = -EINTR;
		req->abandoned = true;
		if (req->queued && !req->op->always) {
			list_del_init(&req->node);
			req->queued = false;
			taken_back = true;
		}
	}
	spin_unlock_irq(&q->lock);
	if (taken_back)
		vu_request_put(req);
	return err;
}

static int vu_config_errno(u32 error)
{
	switch (error) {
	case VU_ERROR_NONE:
		return 0;
	case VU_ERROR_INIT_FAILED:
		return -ENXIO;
	case VU_ERROR_CREATE_FAILED:
		return -EIO;
	case VU_ERROR_ALLOC_FAILED:
		return -ENOMEM;
	case VU_ERROR_EXPORT_FAILED:
	case VU_ERROR_IMPORT_FAILED:
	case VU_ERROR_DESTROY_FAILED:
	case VU_ERROR_FREE_FAILED:
		return -ENOENT;
	case VU_ERROR_BAD_REQUEST:
		return -EINVAL;
	default:
		return -EPROTO;
	}
}

/* Ends an exchange, or starts the one that undoes it.  Drops the reference. */
static void vu_config_finish(struct vu_request *req,
			     const struct vu_config_msg *reply, int err)
{
	struct vu_device *vu = req->vu;
	struct vu_config_queue *q = &vu->config;
	struct device *dev = &vu->vdev->dev;
	bool undo;

	err = req->op->finish(req, reply, err);
	if (err == -EPROTO) {
		atomic64_inc(&vu->config_malformed);
		dev_warn_ratelimited(dev,
				     "refused a senseless reply, type %d\n",
				     req->op->type);
	}

	spin_lock_irq(&q->lock);
	undo = req->undo && (err || req->abandoned) && !vu->gone;
	if (!req->completed) {
		req->completed = true;
		req->result = err;
		complete(&req->done);
	}
	spin_unlock_irq(&q->lock);

	if (!undo) {
		vu_request_put(req);
		return;
	}
	if (req->op->retract)
		req->op->retract(req);
	spin_lock_irq(&q->lock);
	req->op = req->undo;
	req->undo = NULL;
	req->abandoned = true;
	req->queued = true;
	/* Ahead of all others: they may build on what is being taken back. */
	list_add(&req->node, &q->waiting);
	spin_unlock_irq(&q->lock);
}

static void vu_config_fill(struct vu_config_msg *msg,
			   const struct vu_request *req)
{
	const struct virtio_user_instance *inst = req->inst;

	memset(msg, 0, sizeof(*msg));
	msg->msg_type = cpu_to_le32(req->op->type);
	if (!inst) {
		msg->device_count = cpu_to_le32(req->vu->config.found.count);
		return;
	}
	if (req->op->type == VU_MSG_CREATE) {
		msg->vendor_ids[0] = cpu_to_le32(inst->vendor);
		msg->device_ids[0] = cpu_to_le32(inst->device);
		msg->versions[0] = cpu_to_le32(inst->version);
		return;
	}
	msg->instance_handle = cpu_to_le64(inst->handle);
	msg->shm_id = cpu_to_le64(req->shm_id);
	msg->shm_size = cpu_to_le64(req->shm_size);
	if (req->op->type == VU_MSG_ALLOC)
		msg->shm_flags = cpu_to_le32(PAGE_SHIFT << VU_SHM_ALIGN_SHIFT);
}

static struct vu_request *vu_config_next(struct vu_config_queue *q)
{
	struct vu_request *req;
	bool anew = false;

	spin_lock_irq(&q->lock);
	if (q->enumerate || q->more) {
		anew = q->enumerate;
		q->enumerate = false;
		q->more = false;
		req = q->enum_req;
		kref_get(&req->ref);
	} else {
		req = list_first_entry_or_null(&q->waiting, struct vu_request,
					       node);
		if (req) {
			list_del_init(&req->node);
			req->queued = false;
		}
	}
	spin_unlock_irq(&q->lock);
	if (anew)
		vu_enumeration_begin(&q->found);
	return req;
}

static bool vu_config_post_rx(struct vu_config_queue *q)
{
	struct scatterlist sg;

	if (q->rx_posted)
		return false;
	sg_init_one(&sg, q->rx_msg, sizeof(*q->rx_msg));
	if (virtqueue_add_inbuf(q->rx, &sg, 1, q->rx_msg, GFP_KERNEL))
		return false;
	q->rx_posted = true;
	virtqueue_kick(q->rx);
	return true;
}

static bool vu_config_send(struct vu_device *vu)
{
	struct vu_config_queue *q = &vu->config;
	struct scatterlist sg;
	struct vu_request *req;

	if (q->current_req || q->tx_busy)
		return false;
	req = vu_config_next(q);
	if (!req)
		return false;

	if (req->op->type == VU_MSG_CREATE)
		vu_event_expect(vu);
	vu_config_fill(q->tx_msg, req);
	q->tx_msg->tag = cpu_to_le64(++q->tag);
	sg_init_one(&sg, q->tx_msg, sizeof(*q->tx_msg));
	if (virtqueue_add_outbuf(q->tx, &sg, 1, q->tx_msg, GFP_KERNEL)) {
		vu_config_finish(req, NULL, -ENODEV);
		return true;
	}
	q->tx_busy = true;
	q->current_req = req;
	virtqueue_kick(q->tx);
	return true;
}

static bool vu_config_receive(struct vu_device *vu)
{
	struct vu_config_queue *q = &vu->config;
	struct vu_request *req = q->current_req;
	unsigned int len;
	int err;

	if (!virtqueue_get_buf(q->rx, &len))
		return false;
	q->rx_posted = false;
	if (!req) {
		atomic64_inc(&vu->config_unexpected);
		dev_warn_ratelimited(&vu->vdev->dev,
				     "dropped a reply that nobody asked for\n");
		return true;
	}
	q->current_req = NULL;
	/* The one copy: what is checked is what is used. */
	memcpy(&q->reply, q->rx_msg, sizeof(q->reply));
	if (len != sizeof(q->reply) ||
	    le32_to_cpu(q->reply.msg_type) != req->op->type ||
	    le64_to_cpu(q->reply.tag) != q->tag)
		err = -EPROTO;
	else
		err = vu_config_errno(le32_to_cpu(q->reply.error));
	vu_config_finish(req, err ? NULL : &q->reply, err);
	return true;
}

static void vu_config_work(struct work_struct *work)
{
	struct vu_device *vu =
		container_of(work, struct vu_device, config.work);
	struct vu_config_queue *q = &vu->config;
	unsigned int len;
	int budget;

	for (budget = VU_CONFIG_BUDGET; budget; budget--) {
		bool progress;

		if (READ_ONCE(vu->gone))
			return;
		progress = vu_config_post_rx(q);
		if (virtqueue_get_buf(q->tx, &len)) {
			q->tx_busy = false;
			progress = true;
		}
		progress |= vu_config_receive(vu);
		progress |= vu_config_send(vu);
		if (progress)
			continue;
		if (virtqueue_is_broken(q->tx) || virtqueue_is_broken(q->rx))
			vu_config_fail_all(vu, -ENODEV);
		return;
	}
	queue_work(vu->wq, work);
}

/* Ends all requests with @err.  On the worker, or when it has stopped. */
void vu_config_fail_all(struct vu_device *vu, int err)
{
	struct vu_config_queue *q = &vu->config;
	struct vu_request *req = q->current_req;

	q->current_req = NULL;
	if (!req)
		req = vu_config_next(q);
	while (req) {
		req->undo = NULL;
		vu_config_finish(req, NULL, err);
		req = vu_config_next(q);
	}
}

/* Any context; the device may call this as often as it likes. */
void vu_config_enumerate(struct vu_device *vu)
{
	unsigned long flags;

	spin_lock_irqsave(&vu->config.lock, flags);
	if (!vu->gone) {
		vu->config.enumerate = true;
		queue_work(vu->wq, &vu->config.work);
	}
	spin_unlock_irqrestore(&vu->config.lock, flags);
}

/* The config worker's own: goes on with the list, unless it begins anew. */
void vu_config_enumerate_more(struct vu_device *vu)
{
	spin_lock_irq(&vu->config.lock);
	vu->config.more = true;
	spin_unlock_irq(&vu->config.lock);
}

void vu_config_callback(struct virtqueue *vq)
{
	struct vu_device *vu = vq->vdev->priv;

	if (vu_ready(vu) && !READ_ONCE(vu->gone))
		queue_work(vu->wq, &vu->config.work);
}

int vu_config_init(struct vu_device *vu)
{
	struct vu_config_queue *q = &vu->config;
	struct vu_request *req;

	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->waiting);
	INIT_WORK(&q->work, vu_config_work);
	init_completion(&q->enumerated);
	q->tx_msg = kzalloc(sizeof(*q->tx_msg), GFP_KERNEL);
	q->rx_msg = kzalloc(sizeof(*q->rx_msg), GFP_KERNEL);
	req = kzalloc(sizeof(*req), GFP_KERNEL);
	q->enum_req = req;
	if (!q->tx_msg || !q->rx_msg || !req)
		return -ENOMEM;
	kref_init(&req->ref);
	INIT_LIST_HEAD(&req->node);
	init_completion(&req->done);
	req->op = &vu_op_enumerate;
	req->vu = vu;
	return 0;
}

void vu_config_free(struct vu_device *vu)
{
	kfree(vu->config.tx_msg);
	kfree(vu->config.rx_msg);
	kfree(vu->config.enum_req);
	vu_enumeration_begin(&vu->config.found);
}
