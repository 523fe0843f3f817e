/* SPDX-License-Identifier: GPL-2.0 */
/* The few kernel interfaces that changed between Linux 6.1 and 7.x. */
#ifndef VIRTIO_USER_COMPAT_H
#define VIRTIO_USER_COMPAT_H

#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>
#include <linux/virtio_config.h>

/* 6.2: the devnode callback of a class takes a const device. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define VU_DEVNODE_CONST const
#else
#define VU_DEVNODE_CONST
#endif

/* 6.3: the flags of a vma are changed by functions only. */
static inline void vu_vm_flags_set(struct vm_area_struct *vma,
				   unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* 6.11: names and callbacks of virtqueues come in one array. */
static inline int vu_find_vqs(struct virtio_device *vdev, unsigned int count,
			      struct virtqueue **vqs,
			      vq_callback_t *const *callbacks,
			      const char *const *names)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	struct virtqueue_info info[8] = {};
	unsigned int i;

	if (count > ARRAY_SIZE(info))
		return -EINVAL;
	for (i = 0; i < count; i++) {
		info[i].name = names[i];
		info[i].callback = callbacks[i];
	}
	return virtio_find_vqs(vdev, count, vqs, info, NULL);
#else
	vq_callback_t *fns[8] = {};
	unsigned int i;

	if (count > ARRAY_SIZE(fns))
		return -EINVAL;
	for (i = 0; i < count; i++)
		fns[i] = callbacks[i];
	return virtio_find_vqs(vdev, count, vqs, fns, names, NULL);
#endif
}

/* 7.0: the flags of a shmem file are a type of their own. */
static inline struct file *vu_shmem_file(const char *name)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return shmem_file_setup(name, 0, EMPTY_VMA_FLAGS);
#else
	return shmem_file_setup(name, 0, 0);
#endif
}

#endif /* VIRTIO_USER_COMPAT_H */
