// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel driver that uses a virtio-user device: it goes through the in-kernel
 * API once while it is loaded, says what it saw, and fails to load if anything
 * is wrong.  It needs a device that answers pings which name memory.
 *
 *	insmod virtio_user_selftest.ko vendor=0x1af4 device=1 metadata=0
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/string.h>

#include "../include/virtio_user.h"

#define TEST_SIZE 10000
#define TEST_TIMEOUT (10 * HZ)
/* More than an instance may await answers of */
#define TEST_MANY 1000

static uint vendor;
module_param(vendor, uint, 0444);
MODULE_PARM_DESC(vendor, "vendor ID of the device to use");

static uint device;
module_param(device, uint, 0444);
MODULE_PARM_DESC(device, "device ID of the device to use");

static ulong metadata;
module_param(metadata, ulong, 0444);
MODULE_PARM_DESC(metadata, "what to say in the pings");

struct answer {
	struct completion came;
	u32 revents;
};

static void answer_came(void *context, u32 revents)
{
	struct answer *answer = context;

	answer->revents = revents;
	complete(&answer->came);
}

static const struct virtio_user_client_ops answer_ops = {
	.event = answer_came,
};

static bool check(bool held, const char *condition)
{
	if (!held)
		pr_err("failed: %s\n", condition);
	return held;
}

#define CHECK(condition) check(condition, #condition)

/* Memory, a ping, and the answer by waiting for it. */
static bool test_owner(struct virtio_user_instance *inst,
		       struct virtio_user_shm *shm)
{
	struct virtio_user_ping ping = {.metadata = metadata, .events = 1};
	u32 revents;
	u8 *memory;
	int err;

	if (!CHECK(virtio_user_alloc(inst, 0, shm) == -EINVAL) ||
	    !CHECK(virtio_user_alloc(inst, TEST_SIZE, shm) == 0) ||
	    !CHECK(shm->size >= TEST_SIZE))
		return false;
	memory = virtio_user_memory(inst, shm->shm_id);
	if (!CHECK(memory) || !CHECK(!memchr_inv(memory, 0, shm->size)))
		return false;
	memset(memory, 'v', TEST_SIZE);

	ping.shm_id = shm->shm_id;
	ping.shm_size = TEST_SIZE;
	if (!CHECK(virtio_user_ping(inst, &ping, true) == 0) ||
	    !CHECK(virtio_user_wait_event(inst, &revents, TEST_TIMEOUT) == 0) ||
	    !CHECK(!(revents & VIRTIO_USER_EVENT_FAILED)))
		return false;
	pr_info("version %u answered %#x\n", virtio_user_version(inst),
		revents);

	/* The answer by the call, or later if the host is slow. */
	if (!CHECK(virtio_user_call(inst, &ping, &revents) == -EINVAL))
		return false;
	ping.wait_us = VIRTIO_USER_PING_WAIT_MAX;
	err = virtio_user_call(inst, &ping, &revents);
	if (!err)
		err = !virtio_user_wait_event(inst, &revents, TEST_TIMEOUT);
	if (!CHECK(err == 1) || !CHECK(!(revents & VIRTIO_USER_EVENT_FAILED)))
		return false;
	ping.wait_us = 0;

	/* Bytes outside of the object: the host refuses the ping. */
	ping.shm_offset = shm->size;
	return CHECK(virtio_user_ping(inst, &ping, true) == 0) &&
	       CHECK(virtio_user_wait_event(inst, &revents, TEST_TIMEOUT) ==
		     0) &&
	       CHECK(revents & VIRTIO_USER_EVENT_FAILED);
}

/* Who sends faster than the device answers waits, and goes on. */
static bool test_many(struct virtio_user_instance *inst, struct answer *answer,
		      const struct virtio_user_ping *ping)
{
	int i;

	for (i = 0; i < TEST_MANY; i++) {
		if (!CHECK(virtio_user_ping(inst, ping, true) == 0))
			return false;
	}
	for (i = 0; i < TEST_MANY; i++) {
		if (!CHECK(wait_for_completion_timeout(&answer->came,
						       TEST_TIMEOUT)))
			return false;
	}
	return true;
}

/* The same object from a second instance, the answers by callback. */
static bool test_sharing(struct virtio_user_instance *owner,
			 struct virtio_user_instance *other,
			 struct answer *answer,
			 const struct virtio_user_shm *shm)
{
	struct virtio_user_ping ping = {
		.metadata = metadata,
		.shm_id = shm->shm_id,
		.shm_size = TEST_SIZE,
		.events = 1,
	};
	struct virtio_user_shm imported;
	u64 id = shm->shm_id;

	return CHECK(virtio_user_import(other, id, &imported) == -ENOENT) &&
	       CHECK(virtio_user_export(owner, id) == 0) &&
	       CHECK(virtio_user_import(other, id, &imported) == 0) &&
	       CHECK(imported.offset == shm->offset) &&
	       CHECK(imported.size == shm->size) &&
	       CHECK(virtio_user_memory(other, id) ==
		     virtio_user_memory(owner, id)) &&
	       CHECK(virtio_user_ping(other, &ping, false) == 0) &&
	       CHECK(wait_for_completion_timeout(&answer->came,
						 TEST_TIMEOUT)) &&
	       CHECK(!(answer->revents & VIRTIO_USER_EVENT_FAILED)) &&
	       test_many(other, answer, &ping) &&
	       CHECK(virtio_user_free(other, id) == 0) &&
	       CHECK(virtio_user_free(other, id) == -ENOENT) &&
	       CHECK(!virtio_user_memory(other, id)) &&
	       CHECK(virtio_user_free(owner, id) == 0);
}

static int __init selftest_init(void)
{
	struct virtio_user_instance *owner, *other;
	struct virtio_user_shm shm;
	struct answer answer = {};
	int err;

	init_completion(&answer.came);
	owner = virtio_user_open(vendor, device, 0, U32_MAX, NULL, NULL);
	if (IS_ERR(owner))
		return PTR_ERR(owner);
	other = virtio_user_open(vendor, device, 0, U32_MAX, &answer_ops,
				 &answer);
	if (IS_ERR(other)) {
		err = PTR_ERR(other);
		goto close_owner;
	}
	err = -EIO;
	if (test_owner(owner, &shm) &&
	    test_sharing(owner, other, &answer, &shm)) {
		pr_info("passed\n");
		err = 0;
	}
	virtio_user_close(other);
close_owner:
	virtio_user_close(owner);
	return err;
}
module_init(selftest_init);

static void __exit selftest_exit(void)
{
}
module_exit(selftest_exit);

MODULE_AUTHOR("The virtio-user authors");
MODULE_DESCRIPTION("Goes through the in-kernel API of virtio-user");
MODULE_LICENSE("GPL");
