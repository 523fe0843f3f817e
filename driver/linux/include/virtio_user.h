/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio-user for other kernel drivers: everything that a program can do with
 * a file of /dev/virtio-user, as functions.
 *
 * The functions may sleep, and may be called from any process context, unless
 * their description says otherwise.  An instance may be used by several
 * threads at once; virtio_user_close() must be the last call.
 */
#ifndef _LINUX_VIRTIO_USER_H
#define _LINUX_VIRTIO_USER_H

#include <linux/types.h>

#include "../uapi/virtio_user.h"

struct virtio_user_instance;

/**
 * struct virtio_user_client_ops - what an instance tells its owner
 * @event: an event came.  Called in atomic context with interrupts off, one
 *	call at a time for each instance, in the order of the events.  It may
 *	call virtio_user_ping() without waiting, and must not close.  Without
 *	this function events are kept for virtio_user_wait_event().
 * @ended: the instance is of no more use and has only to be closed, but not in
 *	this call.  -EIO: the device failed in the host (atomic context).
 *	-ENODEV, perhaps after an -EIO: the virtio device goes away (process
 *	context); when the call returns, the memory behind virtio_user_memory()
 *	must not be touched any more.
 */
struct virtio_user_client_ops {
	void (*event)(void *context, u32 revents);
	void (*ended)(void *context, int error);
};

struct virtio_user_instance *
virtio_user_open(u32 vendor, u32 device, u32 min_version, u32 max_version,
		 const struct virtio_user_client_ops *ops, void *context);
void virtio_user_close(struct virtio_user_instance *inst);
u32 virtio_user_version(const struct virtio_user_instance *inst);
int virtio_user_ping(struct virtio_user_instance *inst,
		     const struct virtio_user_ping *ping, bool wait);
int virtio_user_call(struct virtio_user_instance *inst,
		     const struct virtio_user_ping *ping, u32 *revents);
int virtio_user_wait_event(struct virtio_user_instance *inst, u32 *revents,
			   unsigned long timeout);
int virtio_user_alloc(struct virtio_user_instance *inst, u64 size,
		      struct virtio_user_shm *shm);
int virtio_user_free(struct virtio_user_instance *inst, u64 shm_id);
int virtio_user_export(struct virtio_user_instance *inst, u64 shm_id);
int virtio_user_import(struct virtio_user_instance *inst, u64 shm_id,
		       struct virtio_user_shm *shm);
void *virtio_user_memory(struct virtio_user_instance *inst, u64 shm_id);

#endif /* _LINUX_VIRTIO_USER_H */
