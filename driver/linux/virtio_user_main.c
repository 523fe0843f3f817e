// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-user: devices made in the host's user space, for programs and drivers
 * in the guest.  This file: the module, and the life of a virtio device.
 */
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_config.h>

#include "compat.h"
#include "virtio_user_priv.h"

/* How long loading waits for the nodes, so that they are there after it */
#define VU_PROBE_TIMEOUT (2 * HZ)

static unsigned int device_id = VU_DEVICE_ID;
module_param(device_id, uint, 0444);
MODULE_PARM_DESC(device_id, "virtio device ID to drive (default 21)");

/* Devices that kernel drivers may open */
DEFINE_MUTEX(vu_devices_lock);
LIST_HEAD(vu_devices);

static void vu_device_release(struct kref *ref)
{
	struct vu_device *vu = container_of(ref, struct vu_device, ref);

	vu_config_free(vu);
	vu_ping_free(vu);
	vu_event_free(vu);
	if (vu->region.memory)
		memunmap(vu->region.memory);
	xa_destroy(&vu->instances);
	kfree(vu);
}

/* May sleep if it can be the last reference: after the device is removed. */
void vu_device_put(struct vu_device *vu)
{
	kref_put(&vu->ref, vu_device_release);
}

static struct vu_device *vu_device_new(struct virtio_device *vdev)
{
	struct vu_device *vu = kzalloc(sizeof(*vu), GFP_KERNEL);

	if (!vu)
		return NULL;
	kref_init(&vu->ref);
	vu->vdev = vdev;
	vu->poll_us = VU_POLL_DEFAULT_US;
	INIT_LIST_HEAD(&vu->link);
	spin_lock_init(&vu->ping.lock);
	INIT_LIST_HEAD(&vu->ping.starved);
	spin_lock_init(&vu->event.lock);
	xa_init_flags(&vu->instances, XA_FLAGS_LOCK_IRQ);
	vu->objects = RB_ROOT_CACHED;
	mutex_init(&vu->nodes_lock);
	INIT_LIST_HEAD(&vu->nodes);
	spin_lock_init(&vu->closing_lock);
	INIT_LIST_HEAD(&vu->closing);
	INIT_DELAYED_WORK(&vu->closing_work, vu_closing_work);
	return vu;
}

/*
 * Memory region 0.  The mapping made here stays as long as anyone may use a
 * pointer into it; it also makes the region write-back for later mappings into
 * programs, which would be uncached without it.
 */
static int vu_region_init(struct vu_device *vu)
{
	struct device *dev = &vu->vdev->dev;
	struct vu_region *region = &vu->region;
	struct virtio_shm_region found;

	if (!virtio_get_shm_region(vu->vdev, &found, VU_SHM_REGION) ||
	    !found.len) {
		dev_warn(dev, "no shared memory region, so no shared memory\n");
		return 0;
	}
	if (!PAGE_ALIGNED(found.addr) || found.addr + found.len < found.addr) {
		dev_err(dev, "shared memory region %#llx+%#llx is impossible\n",
			found.addr, found.len);
		return -EINVAL;
	}
	region->resource =
		request_mem_region(found.addr, found.len, "virtio-user");
	if (!region->resource) {
		dev_err(dev, "shared memory region %#llx+%#llx is in use\n",
			found.addr, found.len);
		return -EBUSY;
	}
	region->memory = memremap(found.addr, found.len, MEMREMAP_WB);
	if (!region->memory) {
		dev_err(dev, "cannot map the shared memory region cached\n");
		return -ENOMEM;
	}
	region->base = found.addr;
	region->size = found.len;
	return 0;
}

static int vu_queues_init(struct vu_device *vu)
{
	static vq_callback_t *const callbacks[VU_QUEUES] = {
		[VU_QUEUE_TX] = vu_config_callback,
		[VU_QUEUE_RX] = vu_config_callback,
		[VU_QUEUE_PING] = vu_ping_callback,
		[VU_QUEUE_EVENT] = vu_event_callback,
	};
	static const char *const names[VU_QUEUES] = {
		[VU_QUEUE_TX] = "config-tx",
		[VU_QUEUE_RX] = "config-rx",
		[VU_QUEUE_PING] = "ping",
		[VU_QUEUE_EVENT] = "event",
	};
	struct virtqueue *vqs[VU_QUEUES];
	int err;

	err = vu_find_vqs(vu->vdev, VU_QUEUES, vqs, callbacks, names);
	if (err)
		return err;
	vu->config.tx = vqs[VU_QUEUE_TX];
	vu->config.rx = vqs[VU_QUEUE_RX];
	vu->ping.vq = vqs[VU_QUEUE_PING];
	vu->event.vq = vqs[VU_QUEUE_EVENT];
	err = vu_ping_init(vu);
	if (!err)
		err = vu_event_init(vu);
	if (err) {
		vu->vdev->config->del_vqs(vu->vdev);
		return err;
	}
	/* What the callbacks use is there: pairs with vu_ready(). */
	smp_store_release(&vu->ready, true);
	return 0;
}

static void vu_region_unclaim(struct vu_region *region)
{
	if (region->resource)
		release_mem_region(region->resource->start,
				   resource_size(region->resource));
	region->resource = NULL;
}

static int vu_probe(struct virtio_device *vdev)
{
	struct vu_device *vu;
	int err;

	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1)) {
		dev_err(&vdev->dev, "the device is older than virtio 1.0\n");
		return -ENODEV;
	}
	vu = vu_device_new(vdev);
	if (!vu)
		return -ENOMEM;
	vdev->priv = vu;
	virtio_cread_le(vdev, struct vu_config_space, enumeration_space_id,
			&vu->enumeration_space_id);
	err = vu_config_init(vu);
	if (err)
		goto put;
	err = vu_region_init(vu);
	if (err)
		goto unclaim;
	err = -ENOMEM;
	vu->wq = alloc_workqueue("virtio-user-%s", WQ_UNBOUND, 0,
				 dev_name(&vdev->dev));
	if (!vu->wq)
		goto unclaim;
	err = vu_queues_init(vu);
	if (err)
		goto destroy_wq;

	virtio_device_ready(vdev);
	vu_event_start(vu);
	vu_config_enumerate(vu);
	mutex_lock(&vu_devices_lock);
	list_add_tail(&vu->link, &vu_devices);
	mutex_unlock(&vu_devices_lock);
	if (wait_for_completion_killable_timeout(&vu->config.enumerated,
						 VU_PROBE_TIMEOUT) <= 0)
		dev_warn(&vdev->dev,
			 "the device has not said yet what it has\n");
	return 0;

destroy_wq:
	destroy_workqueue(vu->wq);
unclaim:
	vu_region_unclaim(&vu->region);
put:
	vdev->priv = NULL;
	vu_device_put(vu);
	return err;
}

/*
 * Whoever holds a file or an instance keeps @vu, and gets ENODEV from now on.
 * Nothing here waits for them, nor for an answer of the device.
 */
static void vu_remove(struct virtio_device *vdev)
{
	struct vu_device *vu = vdev->priv;

	mutex_lock(&vu_devices_lock);
	list_del(&vu->link);
	mutex_unlock(&vu_devices_lock);

	WRITE_ONCE(vu->gone, true);
	/* From here on nobody sends pings or notifies. */
	synchronize_rcu();
	vu_closing_stop(vu);
	cancel_work_sync(&vu->config.work);
	cancel_work_sync(&vu->event.work);

	virtio_reset_device(vdev);
	vu_ping_detach(vu);
	vu_event_detach(vu);
	vdev->config->del_vqs(vdev);

	vu_config_fail_all(vu, -ENODEV);
	vu_nodes_remove_all(vu);
	vu_instances_end(vu);
	destroy_workqueue(vu->wq);
	vu_region_unclaim(&vu->region);
	vdev->priv = NULL;
	vu_device_put(vu);
}

static void vu_config_changed(struct virtio_device *vdev)
{
	vu_config_enumerate(vdev->priv);
}

#ifdef CONFIG_PM_SLEEP
/* Instances live in the host and would not survive the reset of a resume. */
static int vu_freeze(struct virtio_device *vdev)
{
	dev_err(&vdev->dev, "cannot be suspended; unbind it first\n");
	return -EBUSY;
}

static int vu_restore(struct virtio_device *vdev)
{
	return -EBUSY;
}
#endif

static struct virtio_device_id vu_ids[] = {
	{VU_DEVICE_ID, VIRTIO_DEV_ANY_ID},
	{0},
};
MODULE_DEVICE_TABLE(virtio, vu_ids);

static struct virtio_driver vu_driver = {
	.driver.name = KBUILD_MODNAME,
	.driver.owner = THIS_MODULE,
	.driver.dev_groups = vu_attribute_groups,
	.id_table = vu_ids,
	.probe = vu_probe,
	.remove = vu_remove,
	.config_changed = vu_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze = vu_freeze,
	.restore = vu_restore,
#endif
};

static int __init vu_init(void)
{
	int err;

	vu_ids[0].device = device_id;
	err = vu_nodes_init();
	if (err)
		return err;
	err = register_virtio_driver(&vu_driver);
	if (err)
		vu_nodes_exit();
	return err;
}
module_init(vu_init);

static void __exit vu_exit(void)
{
	unregister_virtio_driver(&vu_driver);
	vu_nodes_exit();
}
module_exit(vu_exit);

MODULE_AUTHOR("The virtio-user authors");
MODULE_DESCRIPTION("virtio-user guest driver");
MODULE_LICENSE("GPL");
