/* SPDX-License-Identifier: GPL-2.0 */
/* The messages of the virtio-user protocol as they stand in the queues. */
#ifndef VIRTIO_USER_WIRE_H
#define VIRTIO_USER_WIRE_H

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/types.h>

#define VU_DEVICE_ID 21
/* Devices that one message lists, and that the driver makes nodes for */
#define VU_PAGE_DEVICES 32
#define VU_MAX_DEVICES 4096
#define VU_REASON_SIZE 72
#define VU_SHM_REGION 0
/* ALLOC, shm_flags: the log2 of the alignment of offset and size */
#define VU_SHM_ALIGN_SHIFT 8

enum { VU_QUEUE_TX, VU_QUEUE_RX, VU_QUEUE_PING, VU_QUEUE_EVENT, VU_QUEUES };

enum vu_msg_type {
	VU_MSG_ENUMERATE,
	VU_MSG_CREATE,
	VU_MSG_DESTROY,
	VU_MSG_ALLOC,
	VU_MSG_FREE,
	VU_MSG_EXPORT,
	VU_MSG_IMPORT,
};

enum vu_error {
	VU_ERROR_NONE,
	VU_ERROR_INIT_FAILED,
	VU_ERROR_CREATE_FAILED,
	VU_ERROR_ALLOC_FAILED,
	VU_ERROR_EXPORT_FAILED,
	VU_ERROR_IMPORT_FAILED,
	VU_ERROR_DESTROY_FAILED,
	VU_ERROR_FREE_FAILED,
	VU_ERROR_BAD_REQUEST,
};

/* The configuration space */
struct vu_config_space {
	__le32 enumeration_space_id;
	__le32 host_epoch; /* another one: the host has forgotten everything */
	__le32 host_flags;
	__le32 reserved;
	__le64 messages_offset;
	__le64 messages_size;
};

static_assert(sizeof(struct vu_config_space) == 32);

/* Request (queue 0) and reply (queue 1) */
struct vu_config_msg {
	__le32 msg_type;
	__le32 device_count; /* ENUMERATE, request: index of the first one */
	__le32 vendor_ids[VU_PAGE_DEVICES];
	__le32 device_ids[VU_PAGE_DEVICES];
	__le32 versions[VU_PAGE_DEVICES];
	__le64 instance_handle;
	__le64 shm_id; /* ENUMERATE, reply: how many devices there are */
	__le64 shm_offset;
	__le64 shm_size;
	__le32 shm_flags;
	__le32 error;
	__le64 tag; /* chosen by the driver, repeated by the device */
	u8 reason[VU_REASON_SIZE]; /* why it was refused, for a person */
} __packed;
static_assert(sizeof(struct vu_config_msg) == 512);

/* Queue 2 */
struct vu_ping_msg {
	__le64 instance_handle;
	__le64 metadata;
	__le64 shm_id;
	__le64 shm_offset;
	__le64 shm_size;
	__le32 events;
} __packed;
static_assert(sizeof(struct vu_ping_msg) == 44);

/* Queue 3 */
struct vu_event_msg {
	__le64 instance_handle;
	__le32 revents;
} __packed;
static_assert(sizeof(struct vu_event_msg) == 12);

/*
 * The two highest bits of revents say where an event comes from: none or
 * FAILED: the answer to a ping; OWN: sent unasked; both: a notice of the host
 * itself, and the other bits say which.
 */
#define VU_EVENT_FAILED BIT(31)
#define VU_EVENT_OWN BIT(30)
#define VU_EVENT_NOTICE (VU_EVENT_FAILED | VU_EVENT_OWN)
#define VU_NOTICE_OVERFLOW (VU_EVENT_NOTICE | 1)
#define VU_NOTICE_ENDED (VU_EVENT_NOTICE | 2)
/* Pings that asked for no answer; how many is in VU_NOTICE_COUNT */
#define VU_NOTICE_INTERRUPTED (VU_EVENT_NOTICE | 3)
#define VU_NOTICE_COUNT GENMASK(29, 8)

#endif /* VIRTIO_USER_WIRE_H */
