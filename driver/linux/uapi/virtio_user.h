/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What a user-space program needs to use a virtio-user device.
 *
 * Every device that the host offers is a file, /dev/virtio-user/VVVV:DDDD:RR
 * (vendor, device, version, in hexadecimal).  To open it is to create an
 * instance of the device; the last close destroys the instance.  All sizes and
 * offsets are in bytes.
 */
#ifndef _UAPI_LINUX_VIRTIO_USER_H
#define _UAPI_LINUX_VIRTIO_USER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct virtio_user_ping - one message to the device
 * @metadata: free for the protocol of the device
 * @shm_id: the object that the message is about; 0 names no memory
 * @shm_offset: where in the object the bytes begin
 * @shm_size: how many bytes
 * @events: not 0: the device answers, and the answer can be read
 * @wait_us: 0, or for how many microseconds, up to VIRTIO_USER_PING_WAIT_MAX,
 *	VIRTIO_USER_PING waits for the answer; EINVAL without events
 *
 * VIRTIO_USER_PING returns 1 if it waited and the answer came: it is in @events
 * then, and no read() returns it.  Otherwise it returns 0 when the message is
 * sent; if there is to be an answer, read() returns it in its turn.  A signal
 * ends the wait for the answer in the same way as time does.  A structure that
 * another thread unmaps during the wait costs the answer.
 *
 * write() takes one or more of these, with wait_us 0: the same as so many
 * VIRTIO_USER_PING.
 */
struct virtio_user_ping {
	__u64 metadata;
	__u64 shm_id;
	__u64 shm_offset;
	__u64 shm_size;
	__u32 events;
	__u32 wait_us;
};

/**
 * struct virtio_user_shm - an object in the memory that host and guest share
 * @shm_id: the name of the object, not 0, never used a second time
 * @offset: the offset for mmap(), a multiple of 4096
 * @size: a multiple of 4096; ALLOC rounds up
 * @flags: 0, anything else is EINVAL
 * @reserved: 0, anything else is EINVAL
 */
struct virtio_user_shm {
	__u64 shm_id;
	__u64 offset;
	__u64 size;
	__u32 flags;
	__u32 reserved;
};

#define VIRTIO_USER_IOC_MAGIC 0xBE

/* The longest wait of a ping for its answer, in microseconds */
#define VIRTIO_USER_PING_WAIT_MAX 1000000

/* Sends one message to the device.  Out: events, if it returns 1. */
#define VIRTIO_USER_PING \
	_IOWR(VIRTIO_USER_IOC_MAGIC, 0, struct virtio_user_ping)
/* Makes a new object, all zero.  In: size.  Out: shm_id, offset, size. */
#define VIRTIO_USER_ALLOC \
	_IOWR(VIRTIO_USER_IOC_MAGIC, 1, struct virtio_user_shm)
/* Drops this file's hold on an object; mappings of it fault.  In: shm_id. */
#define VIRTIO_USER_FREE _IOW(VIRTIO_USER_IOC_MAGIC, 2, struct virtio_user_shm)
/* Lets other instances import an object of this file.  In: shm_id. */
#define VIRTIO_USER_EXPORT \
	_IOW(VIRTIO_USER_IOC_MAGIC, 3, struct virtio_user_shm)
/* Takes a hold on an exported object.  In: shm_id.  Out: offset, size. */
#define VIRTIO_USER_IMPORT \
	_IOWR(VIRTIO_USER_IOC_MAGIC, 4, struct virtio_user_shm)

/*
 * read() returns one __u32 for each event.  With EVENT_FAILED the ping was not
 * done: REFUSED: the host refused it, and it did not run; INTERRUPTED: it may or
 * may not have run; else the device failed it, and bits 8 to 29 are the device's
 * code, if it gave one.  With EVENT_OWN the device sent the event unasked.  Else
 * the other bits are the device's own.
 */
#define VIRTIO_USER_EVENT_REFUSED 0x00000001U
#define VIRTIO_USER_EVENT_INTERRUPTED 0x00000002U
#define VIRTIO_USER_EVENT_OWN 0x40000000U
#define VIRTIO_USER_EVENT_FAILED 0x80000000U

#endif /* _UAPI_LINUX_VIRTIO_USER_H */
