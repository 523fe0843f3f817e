// SPDX-License-Identifier: GPL-2.0
/*
 * The character devices: one for each kind of device in the enumeration, named
 * after its vendor, device and version.
 */
#include <linux/idr.h>
#include <linux/kdev_t.h>
#include <linux/slab.h>

#include "compat.h"
#include "virtio_user_priv.h"

#define VU_MINORS VU_MAX_DEVICES

static dev_t vu_devt;
static DEFINE_IDA(vu_minors);
/* Makes the look for a name and its use one step, among all virtio devices */
static DEFINE_MUTEX(vu_names_lock);

static char *vu_devnode(VU_DEVNODE_CONST struct device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0600;
	return kasprintf(GFP_KERNEL, "virtio-user/%s", dev_name(dev));
}

static struct class vu_class = {
	.name = "virtio-user",
	.devnode = vu_devnode,
};

static void vu_node_release(struct device *dev)
{
	struct vu_node *node = container_of(dev, struct vu_node, dev);

	ida_free(&vu_minors, MINOR(dev->devt));
	vu_device_put(node->vu);
	kfree(node);
}

/* -EEXIST: another virtio device offers the same. */
static int vu_node_register(struct vu_node *node)
{
	struct device *other;
	int err;

	mutex_lock(&vu_names_lock);
	other = class_find_device_by_name(&vu_class, dev_name(&node->dev));
	put_device(other);
	err = other ? -EEXIST : cdev_device_add(&node->cdev, &node->dev);
	mutex_unlock(&vu_names_lock);
	return err;
}

/* The node is in the list when this returns 0. */
static int vu_node_add(struct vu_device *vu, u32 vendor, u32 device,
		       u32 version)
{
	struct vu_node *node;
	int minor, err;

	node = kzalloc(sizeof(*node), GFP_KERNEL);
	if (!node)
		return -ENOMEM;
	minor = ida_alloc_max(&vu_minors, VU_MINORS - 1, GFP_KERNEL);
	if (minor < 0) {
		kfree(node);
		return minor;
	}
	kref_get(&vu->ref);
	node->vu = vu;
	node->vendor = vendor;
	node->device = device;
	node->version = version;
	node->found = true;
	device_initialize(&node->dev);
	node->dev.class = &vu_class;
	node->dev.parent = &vu->vdev->dev;
	node->dev.release = vu_node_release;
	node->dev.devt = MKDEV(MAJOR(vu_devt), minor);
	cdev_init(&node->cdev, &vu_fops);
	node->cdev.owner = THIS_MODULE;
	err = dev_set_name(&node->dev, "%04x:%04x:%02x", vendor, device,
			   version);
	if (!err)
		err = vu_node_register(node);
	if (err) {
		put_device(&node->dev);
		return err;
	}
	list_add_tail(&node->link, &vu->nodes);
	return 0;
}

static void vu_node_remove(struct vu_node *node)
{
	list_del(&node->link);
	cdev_device_del(&node->cdev, &node->dev);
	put_device(&node->dev);
}

static struct vu_node *vu_node_find(struct vu_device *vu, u32 vendor,
				    u32 device, u32 version)
{
	struct vu_node *node;

	list_for_each_entry(node, &vu->nodes, link) {
		if (node->vendor == vendor && node->device == device &&
		    node->version == version)
			return node;
	}
	return NULL;
}

/* Makes the nodes those of an enumeration, each of which is there once. */
void vu_nodes_update(struct vu_device *vu, const struct vu_identity *devices,
		     u32 count)
{
	struct device *dev = &vu->vdev->dev;
	struct vu_node *node, *next;
	u32 i;
	int err;

	mutex_lock(&vu->nodes_lock);
	list_for_each_entry(node, &vu->nodes, link)
		node->found = false;
	for (i = 0; i < count; i++) {
		const struct vu_identity *id = &devices[i];

		node = vu_node_find(vu, id->vendor, id->device, id->version);
		if (node) {
			node->found = true;
			continue;
		}
		err = vu_node_add(vu, id->vendor, id->device, id->version);
		if (err)
			dev_err_ratelimited(dev, "no node %04x:%04x:%02x: %d\n",
					    id->vendor, id->device, id->version,
					    err);
		cond_resched();
	}
	list_for_each_entry_safe(node, next, &vu->nodes, link) {
		if (!node->found)
			vu_node_remove(node);
	}
	mutex_unlock(&vu->nodes_lock);
}

void vu_nodes_remove_all(struct vu_device *vu)
{
	struct vu_node *node, *next;

	mutex_lock(&vu->nodes_lock);
	list_for_each_entry_safe(node, next, &vu->nodes, link)
		vu_node_remove(node);
	mutex_unlock(&vu->nodes_lock);
}

int vu_nodes_init(void)
{
	int err;

	err = class_register(&vu_class);
	if (err)
		return err;
	err = alloc_chrdev_region(&vu_devt, 0, VU_MINORS, "virtio-user");
	if (err)
		class_unregister(&vu_class);
	return err;
}

void vu_nodes_exit(void)
{
	unregister_chrdev_region(vu_devt, VU_MINORS);
	class_unregister(&vu_class);
	ida_destroy(&vu_minors);
}
