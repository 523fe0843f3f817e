// SPDX-License-Identifier: GPL-2.0
/* The operations of an instance for other kernel drivers. */
#include <linux/err.h>
#include <linux/module.h>

#include "virtio_user_priv.h"

/* The newest version in the range, with a reference, or NULL. */
static struct vu_node *vu_client_find(u32 vendor, u32 device, u32 min_version,
				      u32 max_version)
{
	struct vu_node *node, *found = NULL;
	struct vu_device *vu;

	mutex_lock(&vu_devices_lock);
	list_for_each_entry(vu, &vu_devices, link) {
		mutex_lock(&vu->nodes_lock);
		list_for_each_entry(node, &vu->nodes, link) {
			if (node->vendor != vendor || node->device != device ||
			    node->version < min_version ||
			    node->version > max_version)
				continue;
			if (found && found->version >= node->version)
				continue;
			if (found)
				put_device(&found->dev);
			get_device(&node->dev);
			found = node;
		}
		mutex_unlock(&vu->nodes_lock);
	}
	mutex_unlock(&vu_devices_lock);
	return found;
}

/**
 * virtio_user_open() - create an instance of a device
 * @vendor: vendor ID
 * @device: device ID
 * @min_version: lowest version that will do
 * @max_version: highest version that will do; the newest in the range is taken
 * @ops: what to tell the caller, or NULL; must last until the close
 * @context: handed to @ops; they may be called before this function returns
 *
 * Waits for the host; the wait ends if the caller is killed.
 *
 * Return: the instance, to be closed with virtio_user_close(), or ERR_PTR():
 * -ENODEV if there is no such device, -ENXIO if the device cannot be set up,
 * -EIO if it refused, -ENOMEM, -EPROTO, -EINTR.
 */
struct virtio_user_instance *
virtio_user_open(u32 vendor, u32 device, u32 min_version, u32 max_version,
		 const struct virtio_user_client_ops *ops, void *context)
{
	struct virtio_user_instance *inst;
	struct vu_node *node;

	node = vu_client_find(vendor, device, min_version, max_version);
	if (!node)
		return ERR_PTR(-ENODEV);
	inst = vu_instance_create(node->vu, node, NULL, ops, context);
	put_device(&node->dev);
	return inst;
}
EXPORT_SYMBOL_GPL(virtio_user_open);

/**
 * virtio_user_close() - destroy an instance
 * @inst: the instance; not to be used again
 *
 * Does not wait for the host.  When it returns, no callback runs or will run.
 * Memory of the instance must not be touched any more.
 */
void virtio_user_close(struct virtio_user_instance *inst)
{
	vu_instance_close(inst);
}
EXPORT_SYMBOL_GPL(virtio_user_close);

/**
 * virtio_user_version() - the version that the instance has
 * @inst: the instance
 *
 * Any context.
 *
 * Return: what the host said when it created the instance.
 */
u32 virtio_user_version(const struct virtio_user_instance *inst)
{
	return inst->version;
}
EXPORT_SYMBOL_GPL(virtio_user_version);

/**
 * virtio_user_ping() - send one message to the device
 * @inst: the instance
 * @ping: the message; copied
 * @wait: sleep while there is no room; without it any context will do
 *
 * Return: 0, -EAGAIN if there is no room, -EINVAL for a non-zero wait_us,
 * -EIO if the instance has ended, -ENODEV, -ERESTARTSYS for a signal.
 */
int virtio_user_ping(struct virtio_user_instance *inst,
		     const struct virtio_user_ping *ping, bool wait)
{
	int ret;

	if (ping->wait_us)
		return -EINVAL;
	ret = vu_ping_send(inst, ping, 1, wait, false);
	return ret < 0 ? ret : 0;
}
EXPORT_SYMBOL_GPL(virtio_user_ping);

/**
 * virtio_user_call() - send one message and wait for its answer
 * @inst: the instance
 * @ping: the message; copied.  Its events must not be 0, and its wait_us is how
 *	long to wait, 1 to VIRTIO_USER_PING_WAIT_MAX
 * @revents: gets the answer
 *
 * Sleeps as well while there is no room; that may take longer.
 *
 * Return: 1 with the answer; 0 if the message was sent and the time is over or
 * a signal came: the answer comes as if virtio_user_ping() had sent it.
 * Otherwise as virtio_user_ping(); -EIO and -ENODEV also if the instance ends or
 * the device goes during the wait.
 */
int virtio_user_call(struct virtio_user_instance *inst,
		     const struct virtio_user_ping *ping, u32 *revents)
{
	if (!ping->events || !ping->wait_us ||
	    ping->wait_us > VIRTIO_USER_PING_WAIT_MAX)
		return -EINVAL;
	return vu_ping_call(inst, ping, true, revents);
}
EXPORT_SYMBOL_GPL(virtio_user_call);

/* As wait_event_interruptible_timeout(). */
static long vu_client_wait(struct virtio_user_instance *inst, long timeout)
{
	wait_queue_head_t *wait = &inst->readable;

	return wait_event_interruptible_timeout(*wait, vu_events_readable(inst),
						timeout);
}

/**
 * virtio_user_wait_event() - take the oldest event, wait for one if need be
 * @inst: an instance without an event callback
 * @revents: gets the event
 * @timeout: how long to wait, in jiffies
 *
 * Return: 0, -ETIMEDOUT, -EOVERFLOW if events were lost before this call (said
 * once), -EIO if the instance has ended, -ENODEV, -ERESTARTSYS for a signal.
 */
int virtio_user_wait_event(struct virtio_user_instance *inst, u32 *revents,
			   unsigned long timeout)
{
	long left = timeout;
	int ret;

	for (;;) {
		if (mutex_lock_interruptible(&inst->read_lock))
			return -ERESTARTSYS;
		ret = vu_events_peek(inst, revents, 1, true);
		if (ret == 1)
			vu_events_consume(inst, 1);
		mutex_unlock(&inst->read_lock);
		if (ret != -EAGAIN)
			return ret < 0 ? ret : 0;
		left = vu_client_wait(inst, left);
		if (left < 0)
			return left;
		if (!left)
			return -ETIMEDOUT;
	}
}
EXPORT_SYMBOL_GPL(virtio_user_wait_event);

/**
 * virtio_user_alloc() - make a shared-memory object
 * @inst: the instance that will hold it
 * @size: in bytes, rounded up to 4096
 * @shm: gets name, place and size
 *
 * Return: 0, -ENOMEM if the host has none, -EINVAL for size 0, -EIO if the
 * instance has ended, -ENODEV, -EPROTO, -EINTR if the caller was killed.
 */
int virtio_user_alloc(struct virtio_user_instance *inst, u64 size,
		      struct virtio_user_shm *shm)
{
	memset(shm, 0, sizeof(*shm));
	shm->size = size;
	return vu_shm_alloc(inst, shm);
}
EXPORT_SYMBOL_GPL(virtio_user_alloc);

/**
 * virtio_user_free() - drop the hold on an object
 * @inst: the instance that holds it
 * @shm_id: the object; its memory must not be touched any more
 *
 * Return: 0, -ENOENT if @inst does not hold it, -EIO if the instance has ended,
 * -ENOMEM, -ENODEV, -EPROTO, -EINTR if the caller was killed.
 */
int virtio_user_free(struct virtio_user_instance *inst, u64 shm_id)
{
	return vu_shm_free(inst, shm_id);
}
EXPORT_SYMBOL_GPL(virtio_user_free);

/**
 * virtio_user_export() - let other instances import an object
 * @inst: an instance that holds it
 * @shm_id: the object
 *
 * Return: as virtio_user_free().
 */
int virtio_user_export(struct virtio_user_instance *inst, u64 shm_id)
{
	return vu_shm_export(inst, shm_id);
}
EXPORT_SYMBOL_GPL(virtio_user_export);

/**
 * virtio_user_import() - take a hold on an object of another instance
 * @inst: the instance that will hold it too
 * @shm_id: the object
 * @shm: gets name, place and size
 *
 * Return: 0, -ENOENT if there is no such object or it is not exported, and
 * otherwise as virtio_user_free().
 */
int virtio_user_import(struct virtio_user_instance *inst, u64 shm_id,
		       struct virtio_user_shm *shm)
{
	memset(shm, 0, sizeof(*shm));
	shm->shm_id = shm_id;
	return vu_shm_import(inst, shm);
}
EXPORT_SYMBOL_GPL(virtio_user_import);

/**
 * virtio_user_memory() - the bytes of an object
 * @inst: the instance that holds it
 * @shm_id: the object
 *
 * Return: a cached kernel mapping of the whole object, or NULL if @inst does
 * not hold it.  Valid until the object is freed, the instance closed or ended
 * with -ENODEV.
 */
void *virtio_user_memory(struct virtio_user_instance *inst, u64 shm_id)
{
	struct vu_shm *shm = vu_shm_find_id(inst, shm_id);
	void *memory = NULL;

	if (!shm)
		return NULL;
	if (!READ_ONCE(inst->vu->gone))
		memory = inst->vu->region.memory + shm->offset;
	vu_shm_put(shm);
	return memory;
}
EXPORT_SYMBOL_GPL(virtio_user_memory);
