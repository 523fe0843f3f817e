// SPDX-License-Identifier: GPL-2.0
/*
 * Instances: created with an exchange, in the table by handle while the host
 * knows them, destroyed with an exchange that nobody waits for.
 */
#include <linux/file.h>
#include <linux/slab.h>

#include "virtio_user_priv.h"

static void vu_instance_release(struct kref *ref)
{
	struct virtio_user_instance *inst =
		container_of(ref, struct virtio_user_instance, ref);

	vu_shm_drop_all(inst);
	kfree(inst->destroy);
	vu_device_put(inst->vu);
	/* Events find instances under RCU. */
	kfree_rcu(inst, rcu);
}

/* Any context, unless it may be the last reference of a device that is gone. */
void vu_instance_put(struct virtio_user_instance *inst)
{
	kref_put(&inst->ref, vu_instance_release);
}

/*
 * The owner lets go: from here on nothing is delivered, no callback of the owner
 * runs, and mappings fault.
 */
static void vu_instance_shut(struct virtio_user_instance *inst)
{
	struct file *map_file;

	mutex_lock(&inst->owner_lock);
	spin_lock_irq(&inst->event_lock);
	inst->closed = true;
	spin_unlock_irq(&inst->event_lock);
	mutex_unlock(&inst->owner_lock);

	vu_shm_end_all(inst);
	mutex_lock(&inst->shm_lock);
	map_file = inst->map_file;
	inst->map_file = NULL;
	mutex_unlock(&inst->shm_lock);
	if (map_file)
		fput(map_file);
}

/* The host has forgotten the instance, or never will: so do we. */
static int vu_destroy_finish(struct vu_request *req,
			     const struct vu_config_msg *reply, int err)
{
	struct virtio_user_instance *inst = req->inst;
	struct vu_device *vu = req->vu;

	vu_shm_forget_all(inst);
	if (xa_cmpxchg_irq(&vu->instances, inst->handle, inst, NULL,
			   GFP_KERNEL) == inst)
		vu_instance_put(inst);
	return err;
}

static const struct vu_config_op vu_op_destroy = {
	.type = VU_MSG_DESTROY,
	.always = true,
	.finish = vu_destroy_finish,
};

static int vu_create_finish(struct vu_request *req,
			    const struct vu_config_msg *reply, int err)
{
	struct virtio_user_instance *inst = req->inst;
	struct vu_device *vu = req->vu;
	u64 handle;

	if (err)
		goto fail;
	handle = le64_to_cpu(reply->instance_handle);
	if (!handle || xa_load(&vu->instances, handle)) {
		err = -EPROTO;
		goto fail;
	}
	inst->handle = handle;
	req->undo = &vu_op_destroy;
	/* A node stands for one version, and gives no other. */
	err = -EPROTO;
	if (le32_to_cpu(reply->versions[0]) != inst->version)
		goto fail;
	err = xa_reserve_irq(&vu->instances, handle, GFP_KERNEL);
	if (err)
		goto fail;
	kref_get(&inst->ref);
	vu_event_adopt(vu, inst);
	return 0;

fail:
	vu_event_adopt(vu, NULL);
	return err;
}

static const struct vu_config_op vu_op_create = {
	.type = VU_MSG_CREATE,
	.finish = vu_create_finish,
};

static struct virtio_user_instance *vu_instance_new(struct vu_device *vu)
{
	struct virtio_user_instance *inst;

	inst = kzalloc(sizeof(*inst), GFP_KERNEL_ACCOUNT);
	if (!inst)
		return NULL;
	kref_init(&inst->ref);
	kref_get(&vu->ref);
	inst->vu = vu;
	INIT_LIST_HEAD(&inst->closing_link);
	INIT_LIST_HEAD(&inst->starved_link);
	spin_lock_init(&inst->event_lock);
	spin_lock_init(&inst->waiters_lock);
	INIT_LIST_HEAD(&inst->waiters);
	vu_spin_init(&inst->ping_spin);
	vu_spin_init(&inst->read_spin);
	init_waitqueue_head(&inst->readable);
	init_waitqueue_head(&inst->writable);
	mutex_init(&inst->owner_lock);
	mutex_init(&inst->read_lock);
	mutex_init(&inst->shm_lock);
	INIT_LIST_HEAD(&inst->shms);
	return inst;
}

/*
 * Creates an instance.  @map_file is taken over, also by a failure.  Errors as
 * vu_config_exchange(); what is created for a killed caller is destroyed again.
 */
struct virtio_user_instance *
vu_instance_create(struct vu_device *vu, const struct vu_node *node,
		   struct file *map_file,
		   const struct virtio_user_client_ops *ops, void *context)
{
	struct virtio_user_instance *inst;
	struct vu_request *req;
	int err = -ENOMEM;

	inst = vu_instance_new(vu);
	if (!inst) {
		if (map_file)
			fput(map_file);
		return ERR_PTR(-ENOMEM);
	}
	inst->map_file = map_file;
	inst->vendor = node->vendor;
	inst->device = node->device;
	inst->version = node->version;
	inst->ops = ops;
	inst->context = context;

	req = vu_request_new(inst, &vu_op_create);
	if (!req)
		goto put;
	inst->destroy = vu_request_new(inst, &vu_op_destroy);
	if (!inst->destroy)
		goto put_req;
	/* It becomes a reference when it is sent: not a circle until then. */
	inst->destroy->inst = NULL;
	vu_instance_put(inst);

	err = vu_config_exchange(req);
put_req:
	vu_request_put(req);
	if (!err)
		return inst;
put:
	/* The exchange may go on without the caller, who owns nothing of it. */
	vu_instance_shut(inst);
	vu_instance_put(inst);
	return ERR_PTR(err);
}

static void vu_instance_destroy(struct virtio_user_instance *inst)
{
	struct vu_request *req = inst->destroy;

	inst->destroy = NULL;
	kref_get(&inst->ref);
	req->inst = inst;
	/* Fails only without a device, and then there is nothing to destroy. */
	vu_config_submit(req);
	vu_request_put(req);
}

/*
 * The owner is done with @inst and gives its reference back.  Does not wait:
 * the host is told when the last pings are through, or after VU_DRAIN_TIMEOUT.
 */
void vu_instance_close(struct virtio_user_instance *inst)
{
	struct vu_device *vu = inst->vu;
	bool waits = false;

	vu_instance_shut(inst);
	if (!vu_ping_drain(inst)) {
		spin_lock(&vu->closing_lock);
		if (!vu->gone) {
			waits = true;
			inst->closing_deadline = jiffies + VU_DRAIN_TIMEOUT;
			list_add_tail(&inst->closing_link, &vu->closing);
			/* At once: it may have been drained before this. */
			mod_delayed_work(vu->wq, &vu->closing_work, 0);
		}
		spin_unlock(&vu->closing_lock);
	}
	if (!waits) {
		vu_instance_destroy(inst);
		vu_instance_put(inst);
	}
}

/* Destroys the closed instances that are drained or have waited enough. */
void vu_closing_work(struct work_struct *work)
{
	struct vu_device *vu =
		container_of(work, struct vu_device, closing_work.work);
	struct virtio_user_instance *inst, *next;
	unsigned long deadline = 0;
	LIST_HEAD(ready);

	spin_lock(&vu->closing_lock);
	list_for_each_entry_safe(inst, next, &vu->closing, closing_link) {
		if (!READ_ONCE(inst->draining) ||
		    time_after_eq(jiffies, inst->closing_deadline))
			list_move_tail(&inst->closing_link, &ready);
		else if (!deadline) /* The first left is the next to end. */
			deadline = inst->closing_deadline;
	}
	if (deadline)
		queue_delayed_work(vu->wq, &vu->closing_work,
				   max_t(long, 1, deadline - jiffies));
	spin_unlock(&vu->closing_lock);

	list_for_each_entry_safe(inst, next, &ready, closing_link) {
		list_del_init(&inst->closing_link);
		vu_instance_destroy(inst);
		vu_instance_put(inst);
	}
}

static void vu_instance_end(struct virtio_user_instance *inst)
{
	bool closed;

	mutex_lock(&inst->owner_lock);
	spin_lock_irq(&inst->event_lock);
	closed = inst->closed;
	spin_unlock_irq(&inst->event_lock);
	if (!closed && inst->ops && inst->ops->ended)
		inst->ops->ended(inst->context, -ENODEV);
	mutex_unlock(&inst->owner_lock);

	vu_shm_end_all(inst);
	vu_waiters_wake(inst);
	wake_up_interruptible_all(&inst->readable);
	wake_up_interruptible_all(&inst->writable);
}

/* The device is gone: stops what runs later by itself. */
void vu_closing_stop(struct vu_device *vu)
{
	struct virtio_user_instance *inst, *next;
	LIST_HEAD(closing);

	/* Whoever saw the device before it went has added itself by now. */
	spin_lock(&vu->closing_lock);
	list_splice_init(&vu->closing, &closing);
	spin_unlock(&vu->closing_lock);
	cancel_delayed_work_sync(&vu->closing_work);
	list_for_each_entry_safe(inst, next, &closing, closing_link) {
		list_del_init(&inst->closing_link);
		vu_instance_put(inst);
	}
}

/* The device is gone: ends every instance.  After the config worker stopped. */
void vu_instances_end(struct vu_device *vu)
{
	struct virtio_user_instance *inst;
	unsigned long handle;

	xa_for_each(&vu->instances, handle, inst) {
		xa_erase_irq(&vu->instances, handle);
		vu_instance_end(inst);
		vu_instance_put(inst);
	}
	vu_shm_forget_objects(vu);
}
