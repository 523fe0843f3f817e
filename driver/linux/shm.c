// SPDX-License-Identifier: GPL-2.0
/*
 * Shared-memory objects: the exchanges that make and drop them, and the
 * account of who holds what.
 *
 * Each instance has a list of what it holds.  All holds of all instances stand
 * in one tree by their place in the region, so that a device which gives the
 * same bytes out twice is found out before two programs share them unawares.
 */
#include <linux/slab.h>

#include "virtio_user_priv.h"

static void vu_shm_release(struct kref *ref)
{
	kfree(container_of(ref, struct vu_shm, ref));
}

void vu_shm_put(struct vu_shm *shm)
{
	kref_put(&shm->ref, vu_shm_release);
}

static struct vu_shm *vu_shm_new(struct virtio_user_instance *inst)
{
	struct vu_shm *shm = kzalloc(sizeof(*shm), GFP_KERNEL_ACCOUNT);

	if (!shm)
		return NULL;
	kref_init(&shm->ref);
	INIT_LIST_HEAD(&shm->link);
	init_rwsem(&shm->lock);
	shm->region_base = inst->vu->region.base;
	return shm;
}

/* The object of @inst that contains the range, with a reference, or NULL. */
struct vu_shm *vu_shm_find_range(struct virtio_user_instance *inst, u64 offset,
				 u64 size)
{
	struct vu_shm *shm, *found = NULL;

	mutex_lock(&inst->shm_lock);
	list_for_each_entry(shm, &inst->shms, link) {
		if (offset >= shm->offset && size <= shm->size &&
		    offset - shm->offset <= shm->size - size) {
			kref_get(&shm->ref);
			found = shm;
			break;
		}
	}
	mutex_unlock(&inst->shm_lock);
	return found;
}

static struct vu_shm *vu_shm_find_locked(struct virtio_user_instance *inst,
					 u64 id)
{
	struct vu_shm *shm;

	list_for_each_entry(shm, &inst->shms, link) {
		if (shm->id == id)
			return shm;
	}
	return NULL;
}

/* The object of @inst with this name, with a reference, or NULL. */
struct vu_shm *vu_shm_find_id(struct virtio_user_instance *inst, u64 id)
{
	struct vu_shm *shm;

	mutex_lock(&inst->shm_lock);
	shm = vu_shm_find_locked(inst, id);
	if (shm)
		kref_get(&shm->ref);
	mutex_unlock(&inst->shm_lock);
	return shm;
}

static void vu_shm_forget(struct vu_device *vu, struct vu_shm *shm)
{
	if (!shm->in_objects)
		return;
	interval_tree_remove(&shm->range, &vu->objects);
	shm->in_objects = false;
	vu_shm_put(shm);
}

/* The device is gone, and with it the account of its region. */
void vu_shm_forget_objects(struct vu_device *vu)
{
	struct interval_tree_node *node;

	while ((node = interval_tree_iter_first(&vu->objects, 0, ULONG_MAX)))
		vu_shm_forget(vu, container_of(node, struct vu_shm, range));
}

/* The host knows @inst no more: its holds are nobody's.  Config worker. */
void vu_shm_forget_all(struct virtio_user_instance *inst)
{
	struct vu_shm *shm;

	mutex_lock(&inst->shm_lock);
	list_for_each_entry(shm, &inst->shms, link)
		vu_shm_forget(inst->vu, shm);
	mutex_unlock(&inst->shm_lock);
}

/* Nobody has a reference to @inst. */
void vu_shm_drop_all(struct virtio_user_instance *inst)
{
	struct vu_shm *shm, *next;

	list_for_each_entry_safe(shm, next, &inst->shms, link)
		vu_shm_put(shm);
}

/* Mappings of everything that @inst holds fault from now on. */
void vu_shm_end_all(struct virtio_user_instance *inst)
{
	struct vu_shm *shm;

	mutex_lock(&inst->shm_lock);
	list_for_each_entry(shm, &inst->shms, link)
		vu_shm_end(inst, shm);
	mutex_unlock(&inst->shm_lock);
}

/* Is what the device says about an object possible? */
static bool vu_shm_valid(const struct vu_shm *shm,
			 const struct vu_region *region)
{
	return shm->id && shm->size && PAGE_ALIGNED(shm->size) &&
	       PAGE_ALIGNED(shm->offset) && shm->size <= region->size &&
	       shm->offset <= region->size - shm->size;
}

/* The bytes may be held by others only if they hold them by the same name. */
static bool vu_shm_conflicts(struct vu_device *vu, const struct vu_shm *shm,
			     bool import)
{
	struct interval_tree_node *node;
	u64 last = shm->offset + shm->size - 1;

	node = interval_tree_iter_first(&vu->objects, shm->offset, last);
	if (!node)
		return false;
	/* All holds in the tree that overlap are of one object: see below. */
	return !import ||
	       container_of(node, struct vu_shm, range)->id != shm->id ||
	       node->start != shm->offset || node->last != last;
}

/* Takes what the reply grants.  A program may map it from here on. */
static int vu_shm_grant(struct vu_request *req,
			const struct vu_config_msg *reply, bool import)
{
	struct virtio_user_instance *inst = req->inst;
	struct vu_device *vu = req->vu;
	struct vu_shm *shm = req->shm;
	struct vu_shm *held;

	shm->id = le64_to_cpu(reply->shm_id);
	shm->offset = le64_to_cpu(reply->shm_offset);
	shm->size = le64_to_cpu(reply->shm_size);
	if (!vu_shm_valid(shm, &vu->region) ||
	    vu_shm_conflicts(vu, shm, import))
		return -EPROTO;

	mutex_lock(&inst->shm_lock);
	held = vu_shm_find_locked(inst, shm->id);
	if (!held) {
		kref_get(&shm->ref);
		list_add(&shm->link, &inst->shms);
	}
	mutex_unlock(&inst->shm_lock);
	if (held) /* The host refuses to let it be imported a second time. */
		return -EPROTO;

	kref_get(&shm->ref);
	shm->range.start = shm->offset;
	shm->range.last = shm->offset + shm->size - 1;
	interval_tree_insert(&shm->range, &vu->objects);
	shm->in_objects = true;
	return 0;
}

static int vu_free_finish(struct vu_request *req,
			  const struct vu_config_msg *reply, int err)
{
	vu_shm_forget(req->vu, req->shm);
	return err;
}

static const struct vu_config_op vu_op_free = {
	.type = VU_MSG_FREE,
	.always = true,
	.finish = vu_free_finish,
};

/* Granted to a caller who was killed.  Others may have used it meanwhile. */
static void vu_grant_retract(struct vu_request *req)
{
	struct virtio_user_instance *inst = req->inst;
	struct vu_shm *shm = req->shm;

	req->shm_id = shm->id;
	req->shm_size = 0;
	mutex_lock(&inst->shm_lock);
	vu_shm_end(inst, shm);
	if (!list_empty(&shm->link)) {
		list_del_init(&shm->link);
		vu_shm_put(shm);
	}
	mutex_unlock(&inst->shm_lock);
}

static int vu_alloc_finish(struct vu_request *req,
			   const struct vu_config_msg *reply, int err)
{
	if (err)
		return err;
	if (le64_to_cpu(reply->shm_size) !=
	    round_up(req->shm_size, (u64)PAGE_SIZE))
		return -EPROTO;
	err = vu_shm_grant(req, reply, false);
	if (!err)
		req->undo = &vu_op_free;
	return err;
}

static const struct vu_config_op vu_op_alloc = {
	.type = VU_MSG_ALLOC,
	.finish = vu_alloc_finish,
	.retract = vu_grant_retract,
};

static int vu_import_finish(struct vu_request *req,
			    const struct vu_config_msg *reply, int err)
{
	if (err)
		return err;
	if (le64_to_cpu(reply->shm_id) != req->shm_id)
		return -EPROTO;
	err = vu_shm_grant(req, reply, true);
	if (!err)
		req->undo = &vu_op_free;
	return err;
}

static const struct vu_config_op vu_op_import = {
	.type = VU_MSG_IMPORT,
	.finish = vu_import_finish,
	.retract = vu_grant_retract,
};

static int vu_export_finish(struct vu_request *req,
			    const struct vu_config_msg *reply, int err)
{
	return err;
}

static const struct vu_config_op vu_op_export = {
	.type = VU_MSG_EXPORT,
	.finish = vu_export_finish,
};

/* Says at once what the host need not be asked. */
static int vu_shm_usable(const struct virtio_user_instance *inst)
{
	if (READ_ONCE(inst->vu->gone))
		return -ENODEV;
	return READ_ONCE(inst->ended) ? -EIO : 0;
}

static int vu_shm_take(struct virtio_user_instance *inst,
		       const struct vu_config_op *op,
		       struct virtio_user_shm *arg)
{
	struct vu_request *req;
	int err;

	req = vu_request_new(inst, op);
	if (!req)
		return -ENOMEM;
	err = -ENOMEM;
	req->shm = vu_shm_new(inst);
	if (!req->shm)
		goto put;
	req->shm_id = arg->shm_id;
	req->shm_size = arg->size;
	err = vu_config_exchange(req);
	if (err)
		goto put;
	arg->shm_id = req->shm->id;
	arg->offset = req->shm->offset;
	arg->size = req->shm->size;
put:
	vu_request_put(req);
	return err;
}

/* In: size.  Out: all three.  Errors as vu_config_exchange(), -EIO if ended. */
int vu_shm_alloc(struct virtio_user_instance *inst, struct virtio_user_shm *arg)
{
	int err = vu_shm_usable(inst);

	if (err)
		return err;
	if (!arg->size)
		return -EINVAL;
	if (arg->size > inst->vu->region.size)
		return -ENOMEM;
	arg->shm_id = 0;
	return vu_shm_take(inst, &vu_op_alloc, arg);
}

/* In: shm_id.  Out: offset, size. */
int vu_shm_import(struct virtio_user_instance *inst,
		  struct virtio_user_shm *arg)
{
	int err = vu_shm_usable(inst);

	if (err)
		return err;
	if (!arg->shm_id)
		return -ENOENT;
	arg->size = 0;
	return vu_shm_take(inst, &vu_op_import, arg);
}

/* The object is gone for @inst even if the host or the caller's end say no. */
int vu_shm_free(struct virtio_user_instance *inst, u64 shm_id)
{
	struct vu_request *req;
	int err = vu_shm_usable(inst);

	if (err)
		return err;
	req = vu_request_new(inst, &vu_op_free);
	if (!req)
		return -ENOMEM;
	mutex_lock(&inst->shm_lock);
	req->shm = vu_shm_find_locked(inst, shm_id);
	if (req->shm) {
		list_del_init(&req->shm->link);
		/* Before the host can give the bytes to somebody else */
		vu_shm_end(inst, req->shm);
	}
	mutex_unlock(&inst->shm_lock);
	err = -ENOENT;
	if (req->shm) {
		req->shm_id = shm_id;
		err = vu_config_exchange(req);
	}
	vu_request_put(req);
	return err;
}

int vu_shm_export(struct virtio_user_instance *inst, u64 shm_id)
{
	struct vu_request *req;
	struct vu_shm *shm;
	int err = vu_shm_usable(inst);

	if (err)
		return err;
	shm = vu_shm_find_id(inst, shm_id);
	if (!shm)
		return -ENOENT;
	err = -ENOMEM;
	req = vu_request_new(inst, &vu_op_export);
	if (req) {
		req->shm_id = shm_id;
		err = vu_config_exchange(req);
		vu_request_put(req);
	}
	vu_shm_put(shm);
	return err;
}
