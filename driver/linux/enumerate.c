// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices the host offers: a list that comes in pages, checked as a whole
 * before any node comes or goes.  All of this is the config worker's own.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "virtio_user_priv.h"

/* How often a list may change on the way before it counts as senseless */
#define VU_ENUMERATE_RETRIES 8

/* The list was asked for (again): what has come so far means nothing. */
void vu_enumeration_begin(struct vu_enumeration *found)
{
	kvfree(found->devices);
	found->devices = NULL;
	found->count = 0;
	found->total = 0;
}

static int vu_identity_compare(const void *one, const void *other)
{
	const struct vu_identity *a = one, *b = other;

	if (a->vendor != b->vendor)
		return a->vendor < b->vendor ? -1 : 1;
	if (a->device != b->device)
		return a->device < b->device ? -1 : 1;
	if (a->version != b->version)
		return a->version < b->version ? -1 : 1;
	return 0;
}

/* Is each device there once?  Leaves them sorted. */
static bool vu_enumeration_valid(const struct vu_enumeration *found)
{
	u32 i;

	sort(found->devices, found->count, sizeof(*found->devices),
	     vu_identity_compare, NULL);
	for (i = 1; i < found->count; i++) {
		if (!vu_identity_compare(&found->devices[i - 1],
					 &found->devices[i]))
			return false;
	}
	return true;
}

/* 1: begin anew; 0: the page fits. */
static int vu_enumeration_size(struct vu_enumeration *found, u64 total)
{
	if (found->count)
		return total != found->total;
	if (total > VU_MAX_DEVICES)
		return -EPROTO;
	found->total = total;
	if (!total)
		return 0;
	found->devices = kvcalloc(total, sizeof(*found->devices), GFP_KERNEL);
	return found->devices ? 0 : -ENOMEM;
}

/*
 * Takes a page.  The nodes are updated with the last one; they stay as they are
 * if the list makes no sense (-EPROTO).
 */
static int vu_enumeration_add(struct vu_device *vu,
			      const struct vu_config_msg *reply)
{
	struct vu_config_queue *q = &vu->config;
	struct vu_enumeration *found = &q->found;
	u32 count = le32_to_cpu(reply->device_count);
	u32 i;
	int err;

	err = vu_enumeration_size(found, le64_to_cpu(reply->shm_id));
	if (err < 0)
		return err;
	if (err) {
		if (++found->retries > VU_ENUMERATE_RETRIES)
			return -EPROTO;
		vu_config_enumerate(vu);
		return 1;
	}
	if (count > VU_PAGE_DEVICES || count > found->total - found->count ||
	    (!count && found->count < found->total))
		return -EPROTO;
	for (i = 0; i < count; i++) {
		struct vu_identity *id = &found->devices[found->count++];

		id->vendor = le32_to_cpu(reply->vendor_ids[i]);
		id->device = le32_to_cpu(reply->device_ids[i]);
		id->version = le32_to_cpu(reply->versions[i]);
	}
	if (found->count < found->total) {
		vu_config_enumerate_more(vu);
		return 1;
	}
	if (!vu_enumeration_valid(found))
		return -EPROTO;
	vu_nodes_update(vu, found->devices, found->count);
	return 0;
}

static int vu_enumerate_finish(struct vu_request *req,
			       const struct vu_config_msg *reply, int err)
{
	struct vu_config_queue *q = &req->vu->config;

	if (!err)
		err = vu_enumeration_add(req->vu, reply);
	if (err > 0)
		return 0;
	q->found.retries = 0;
	vu_enumeration_begin(&q->found);
	complete_all(&q->enumerated);
	return err;
}

const struct vu_config_op vu_op_enumerate = {
	.type = VU_MSG_ENUMERATE,
	.always = true,
	.finish = vu_enumerate_finish,
};
