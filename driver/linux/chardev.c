// SPDX-License-Identifier: GPL-2.0
/*
 * What a program sees of an instance: open, ioctl, write, read, poll, mmap,
 * close.  Everything that comes from user space is copied once, then checked,
 * then used.
 */
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "virtio_user_priv.h"

/* Pings of one write that are copied, then queued, at a time */
#define VU_WRITE_BATCH 16
/* Events of one read that are copied at a time */
#define VU_READ_BATCH 32

static int vu_open(struct inode *inode, struct file *file)
{
	struct vu_node *node =
		container_of(inode->i_cdev, struct vu_node, cdev);
	struct virtio_user_instance *inst;
	struct file *map_file;

	map_file = vu_map_file_new();
	if (IS_ERR(map_file))
		return PTR_ERR(map_file);
	inst = vu_instance_create(node->vu, node, map_file, NULL, NULL);
	if (IS_ERR(inst))
		return PTR_ERR(inst);
	file->private_data = inst;
	return nonseekable_open(inode, file);
}

static int vu_release(struct inode *inode, struct file *file)
{
	vu_instance_close(file->private_data);
	return 0;
}

static bool vu_may_wait(const struct file *file)
{
	return !(file->f_flags & O_NONBLOCK);
}

/* Sends a ping and waits for its answer: 1 with it, 0 without it, or an error. */
static long vu_ioctl_ping_wait(struct file *file,
			       const struct virtio_user_ping *ping,
			       u32 __user *events)
{
	u32 revents;
	int ret;

	if (!ping->events || ping->wait_us > VIRTIO_USER_PING_WAIT_MAX)
		return -EINVAL;
	/* Before it is sent: an answer that cannot be told would be lost. */
	if (put_user(ping->events, events))
		return -EFAULT;
	ret = vu_ping_call(file->private_data, ping, vu_may_wait(file),
			   &revents);
	if (ret == 1 && put_user(revents, events))
		return -EFAULT;
	return ret;
}

static long vu_ioctl_ping(struct file *file,
			  struct virtio_user_ping __user *user)
{
	struct virtio_user_ping ping;
	int ret;

	if (copy_from_user(&ping, user, sizeof(ping)))
		return -EFAULT;
	if (ping.wait_us)
		return vu_ioctl_ping_wait(file, &ping, &user->events);
	ret = vu_ping_send(file->private_data, &ping, 1, vu_may_wait(file),
			   false);
	return ret < 0 ? ret : 0;
}

static long vu_ioctl_shm(struct file *file, unsigned int cmd, void __user *user)
{
	struct virtio_user_instance *inst = file->private_data;
	struct virtio_user_shm shm;
	int err;

	if (copy_from_user(&shm, user, sizeof(shm)))
		return -EFAULT;
	if (shm.flags || shm.reserved)
		return -EINVAL;
	switch (cmd) {
	case VIRTIO_USER_ALLOC:
		err = vu_shm_alloc(inst, &shm);
		break;
	case VIRTIO_USER_IMPORT:
		err = vu_shm_import(inst, &shm);
		break;
	case VIRTIO_USER_FREE:
		return vu_shm_free(inst, shm.shm_id);
	default:
		return vu_shm_export(inst, shm.shm_id);
	}
	if (err)
		return err;
	if (copy_to_user(user, &shm, sizeof(shm))) {
		/* The caller will never learn the name, so take it back. */
		vu_shm_free(inst, shm.shm_id);
		return -EFAULT;
	}
	return 0;
}

static long vu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case VIRTIO_USER_PING:
		return vu_ioctl_ping(file, user);
	case VIRTIO_USER_ALLOC:
	case VIRTIO_USER_FREE:
	case VIRTIO_USER_EXPORT:
	case VIRTIO_USER_IMPORT:
		return vu_ioctl_shm(file, cmd, user);
	default:
		return -ENOTTY;
	}
}

/* Sends one batch.  Returns how many pings were sent, or an error if none. */
static int vu_write_batch(struct file *file, const char __user *user,
			  unsigned int count, bool more)
{
	struct virtio_user_ping pings[VU_WRITE_BATCH];
	unsigned int i;
	int ret;

	if (copy_from_user(pings, user, count * sizeof(pings[0])))
		return -EFAULT;
	for (i = 0; i < count; i++) {
		if (pings[i].wait_us) {
			/* Those before it are sent; it is refused next time. */
			count = i;
			break;
		}
	}
	if (!count)
		return -EINVAL;
	ret = vu_ping_send(file->private_data, pings, count, vu_may_wait(file),
			   more);
	return ret;
}

static ssize_t vu_write(struct file *file, const char __user *user,
			size_t length, loff_t *pos)
{
	const size_t each = sizeof(struct virtio_user_ping);
	struct virtio_user_instance *inst = file->private_data;
	size_t total = length / each;
	size_t sent = 0;
	int ret = 0;

	if (!length || length % each)
		return -EINVAL;
	while (sent < total) {
		unsigned int count =
			min_t(size_t, total - sent, VU_WRITE_BATCH);

		ret = vu_write_batch(file, user + sent * each, count,
				     sent + count < total);
		if (ret < 0)
			break;
		sent += ret;
		if (ret < count)
			break;
	}
	/* One notification for all, also if the end was not reached. */
	if (sent && sent < total)
		vu_ping_kick(inst->vu);
	return sent ? sent * each : ret;
}

/* Waits for an event as the file's flags say; 0 or an error. */
static int vu_read_wait(struct file *file)
{
	struct virtio_user_instance *inst = file->private_data;

	if (!vu_may_wait(file))
		return -EAGAIN;
	return vu_events_wait(inst);
}

/* Copies what is there, at most @count events; how many, or an error if none. */
static ssize_t vu_read_events(struct virtio_user_instance *inst,
			      char __user *user, size_t count)
{
	u32 revents[VU_READ_BATCH];
	size_t done = 0;
	size_t batch;
	int ret = 0;

	/* Taken away only when copied: a bad buffer costs no event. */
	while (done < count) {
		batch = min_t(size_t, count - done, VU_READ_BATCH);
		ret = vu_events_peek(inst, revents, batch, !done);
		if (ret < 0)
			break;
		if (copy_to_user(user + done * sizeof(u32), revents,
				 ret * sizeof(u32))) {
			ret = -EFAULT;
			break;
		}
		vu_events_consume(inst, ret);
		done += ret;
	}
	return done ? done : ret;
}

static ssize_t vu_read(struct file *file, char __user *user, size_t length,
		       loff_t *pos)
{
	struct virtio_user_instance *inst = file->private_data;
	ssize_t ret;
	int err;

	if (length < sizeof(u32))
		return -EINVAL;
	for (;;) {
		if (mutex_lock_interruptible(&inst->read_lock))
			return -ERESTARTSYS;
		ret = vu_read_events(inst, user, length / sizeof(u32));
		mutex_unlock(&inst->read_lock);
		if (ret != -EAGAIN)
			break;
		err = vu_read_wait(file);
		if (err)
			return err;
	}
	return ret < 0 ? ret : ret * sizeof(u32);
}

static __poll_t vu_poll(struct file *file, struct poll_table_struct *wait)
{
	struct virtio_user_instance *inst = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &inst->readable, wait);
	poll_wait(file, &inst->writable, wait);
	/* Before the looks below: pairs with wq_has_sleeper(). */
	smp_mb();
	if (vu_events_readable(inst))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (vu_ping_ready(inst, true))
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(inst->ended))
		mask |= EPOLLERR;
	if (READ_ONCE(inst->vu->gone))
		mask |= EPOLLERR | EPOLLHUP;
	return mask;
}

static int vu_mmap(struct file *file, struct vm_area_struct *vma)
{
	return vu_instance_mmap(file->private_data, vma);
}

const struct file_operations vu_fops = {
	.owner = THIS_MODULE,
	.open = vu_open,
	.release = vu_release,
	.unlocked_ioctl = vu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read = vu_read,
	.write = vu_write,
	.poll = vu_poll,
	.mmap = vu_mmap,
};
