/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The structures that the files of the driver share, and who protects what.
 *
 * Locks, outer before inner:
 *   mmap_lock > instance.shm_lock > i_mmap_rwsem of instance.map_file
 *   mmap_lock > instance.shm_lock > shm.lock
 *   event.lock > instance.event_lock > ping.lock > instance.waiters_lock
 *   event.lock > the xarray's own lock
 * ping_spin.lock and read_spin.lock are held with no other.
 * The config queue is driven by one work item; what is said to be "the config
 * worker's own" needs no lock because only that work item, or the removal of
 * the device after it has stopped it, touches it.
 */
#ifndef VIRTIO_USER_PRIV_H
#define VIRTIO_USER_PRIV_H

#include <linux/atomic.h>
#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/interval_tree.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "include/virtio_user.h"
#include "wire.h"

/* Handles are keys of an xarray, which takes unsigned long. */
static_assert(sizeof(unsigned long) == sizeof(u64));

/* Answers that an instance may have asked for and not read yet */
#define VU_ANSWERS_MAX 128
/* Events sent unasked that wait to be read */
#define VU_OWN_MAX 128
#define VU_FIFO_SIZE (VU_ANSWERS_MAX + VU_OWN_MAX)
/* Events for an instance whose creation has not been answered yet */
#define VU_EARLY_MAX VU_OWN_MAX
/* Entries of the ping and event queues that the driver makes use of */
#define VU_RING_MAX 1024
/* For how long a wait may poll the event ring: the default, and at most */
#define VU_POLL_DEFAULT_US 200
#define VU_POLL_MAX_US 1000
/* How long a closed instance waits for its last pings before it is destroyed */
#define VU_DRAIN_TIMEOUT (5 * HZ)

struct vu_device;
struct vu_request;

/*
 * One kind of config exchange.  @finish does the bookkeeping: it runs once for
 * each exchange, on the config worker, in the order of the exchanges; @err is
 * what became of it, @reply is only there when it is 0.  What it returns goes to
 * the requester.
 */
struct vu_config_op {
	enum vu_msg_type type;
	bool always; /* goes out even if the requester is killed before */
	int (*finish)(struct vu_request *req, const struct vu_config_msg *reply,
		      int err);
	/* Before this exchange is undone by another one: no one may use it. */
	void (*retract)(struct vu_request *req); /* may be NULL */
};

struct vu_request {
	struct list_head node; /* config.waiting */
	struct kref ref;       /* the requester, and the queue */
	struct completion done;
	struct vu_device *vu;
	const struct vu_config_op *op;
	/* If set and the exchange fails or nobody waits: what takes it back */
	const struct vu_config_op *undo;
	struct virtio_user_instance *inst; /* counted */
	struct vu_shm *shm;		   /* counted */
	u64 shm_id;
	u64 shm_size;
	/* Protected by config.lock */
	bool queued;
	bool completed;
	bool abandoned;
	int result;
};

struct vu_identity {
	u32 vendor;
	u32 device;
	u32 version;
};

/* A list of devices that comes in pages.  The config worker's own. */
struct vu_enumeration {
	struct vu_identity *devices;
	u32 count; /* so far */
	u32 total; /* as the first page says */
	u32 retries;
};

struct vu_config_queue {
	spinlock_t lock; /* the list, and the state of the requests */
	struct list_head waiting;
	bool enumerate; /* ask for the devices (again) */
	bool more;	/* ask for the next page of them */
	struct vu_enumeration found;
	struct work_struct work;
	/* The config worker's own */
	struct virtqueue *tx;
	struct virtqueue *rx;
	struct vu_config_msg *tx_msg; /* the device reads it while tx_busy */
	struct vu_config_msg *rx_msg; /* the device writes it at any time */
	struct vu_config_msg reply;   /* the copy that is looked at */
	u64 tag;		      /* of the request that was sent last */
	bool tx_busy;
	bool rx_posted;
	struct vu_request *current_req; /* in flight */
	struct vu_request *enum_req;
	struct completion enumerated; /* the first time */
};

struct vu_ping_slot {
	struct vu_ping_msg msg;
	struct virtio_user_instance *inst;
	struct vu_ping_slot *next_free;
};

struct vu_ping_queue {
	spinlock_t lock; /* everything here, and the virtqueue */
	struct virtqueue *vq;
	struct vu_ping_slot *slots;
	struct vu_ping_slot *free;
	u32 size;
	u32 free_count;
	bool unkicked; /* entries were added and the device was not told */
	u32 draining;  /* closed instances with entries in the ring */
	struct list_head
		starved; /* instances that wait for an entry, in order */
	u64 sent;
} ____cacheline_aligned_in_smp;

struct vu_event_slot {
	struct vu_event_msg msg;
} __aligned(16);

struct vu_early_event {
	u64 handle;
	u32 revents;
};

/* What came of polling; STOPPED: neither, the CPU has other work */
enum vu_poll_result {
	VU_POLL_PAID,
	VU_POLL_MISSED,
	VU_POLL_STOPPED,
	VU_POLL_RESULTS
};

struct vu_event_queue {
	spinlock_t lock; /* everything here, and the virtqueue */
	struct virtqueue *vq;
	struct vu_event_slot *slots;
	u32 size;
	struct work_struct work;
	bool creating; /* a creation is in flight: keep what is early */
	u32 early_count;
	bool early_lost;
	struct vu_early_event early[VU_EARLY_MAX];
	u32 pollers; /* threads that look at the ring: no interrupts */
	u64 polls[VU_POLL_RESULTS];
	u64 handed_over; /* answers that went to pings that waited */
	u64 received;
	u64 malformed;
	u64 unknown_instance;
} ____cacheline_aligned_in_smp;

/* Memory region 0 */
struct vu_region {
	phys_addr_t base;
	u64 size;
	struct resource *resource;
	void *memory; /* cached; also what reserves the region as write-back */
};

struct vu_device {
	struct kref ref;       /* held by: probe to remove, nodes, instances */
	struct list_head link; /* vu_devices */
	/* Not to be used once gone is set, but by remove itself */
	struct virtio_device *vdev;
	/* Set once, by probe: the queues are known here.  See vu_ready(). */
	bool ready;
	/*
	 * Set once, by remove.  Whoever touches a virtqueue reads it under the
	 * lock of that queue (ping: in an RCU section as well, which lasts
	 * until the notification is sent).
	 */
	bool gone;
	u32 enumeration_space_id;
	u32 poll_us; /* at most VU_POLL_MAX_US; 0: waits do not poll */
	struct workqueue_struct *wq;
	struct vu_region region;
	struct vu_config_queue config;
	struct vu_ping_queue ping;
	struct vu_event_queue event;
	/* By handle; each entry holds a reference.  Changed by the worker. */
	struct xarray instances;
	struct rb_root_cached objects; /* all vu_shm; the config worker's own */
	struct mutex nodes_lock;       /* nodes */
	struct list_head nodes;
	spinlock_t closing_lock; /* closing */
	struct list_head closing;
	struct delayed_work closing_work;
	atomic64_t config_malformed;
	atomic64_t config_unexpected;
	atomic64_t answers_unasked;
	atomic64_t own_events_lost;
};

/* For the callbacks of the queues: a wrong device interrupts too early. */
static inline bool vu_ready(struct vu_device *vu)
{
	/* Pairs with the release in vu_queues_init(). */
	return smp_load_acquire(&vu->ready);
}

/* One character device: a kind of device that the host offers */
struct vu_node {
	struct device dev;
	struct cdev cdev;
	struct vu_device *vu; /* counted */
	struct list_head link;
	u32 vendor;
	u32 device;
	u32 version;
	bool found; /* in the enumeration that is being looked at */
};

/* A ping that waits for its answer, on the stack of its sender */
struct vu_waiter {
	struct list_head link; /* instance.waiters, until it is answered */
	struct task_struct *task;
	u32 number; /* of the answer: see vu_answer_reserve() */
	u32 revents;
	bool answered; /* set once, under waiters_lock */
};

/* What was learned of polling, for one kind of wait.  Times are in ns. */
struct vu_spin {
	spinlock_t lock;  /* everything here */
	u32 time;	  /* how long to poll; more than the limit: the limit */
	u32 since_glance; /* waited since then */
	u32 burst_spent;  /* polled in the present burst */
	u32 until_burst;  /* to be waited before the next */
	bool in_burst;
	u8 doublings; /* of the pause between bursts */
	u8 hits;      /* in a row, within the limit */
};

struct virtio_user_instance {
	struct kref ref;
	struct rcu_head rcu;
	struct vu_device *vu; /* counted */
	u32 vendor;
	u32 device;
	u32 version;
	u64 handle;		    /* written once, by the config worker */
	struct vu_request *destroy; /* made in advance: close cannot fail */
	struct list_head closing_link;
	unsigned long closing_deadline;

	/* ping.lock */
	u32 in_flight; /* entries of the ring; not 0: counts as a reference */
	bool draining;
	struct list_head starved_link;
	u32 asked; /* answers asked for so far */

	/* Places of answers: awaited + kept in the fifo.  See event_queue.c. */
	atomic_t places;
	atomic_t awaited;

	spinlock_t event_lock; /* up to context */
	u32 fifo[VU_FIFO_SIZE];
	u32 head;
	u32 count;
	u32 own_count;
	u32 answers; /* so far: the number of the next one */
	bool overflow;
	bool ended;  /* the host gave it up; set once */
	bool closed; /* nothing is delivered any more; set once */
	const struct virtio_user_client_ops *ops;
	void *context;
	struct mutex owner_lock; /* held while ops->ended(-ENODEV) runs */

	spinlock_t waiters_lock;  /* what is listed, and its answers */
	struct list_head waiters; /* in the order of their numbers */
	struct vu_spin ping_spin;
	struct vu_spin read_spin;

	wait_queue_head_t readable;
	wait_queue_head_t writable;
	struct mutex read_lock; /* makes peek, copy, consume one step */

	struct mutex shm_lock; /* the two below */
	struct list_head shms; /* each a reference */
	struct file *map_file; /* what mappings hold on to; NULL: no mappings */
};

/* One instance's hold on one object */
struct vu_shm {
	struct kref ref;
	struct list_head link; /* instance.shms */
	/* vu_device.objects, a reference; the config worker's own */
	struct interval_tree_node range;
	bool in_objects;
	u64 id;
	u64 offset;
	u64 size;
	phys_addr_t region_base;
	struct rw_semaphore lock; /* read: put pages into a mapping */
	bool ended;		  /* mappings fault; set once */
};

/* main.c */
extern struct mutex vu_devices_lock;
extern struct list_head vu_devices;
void vu_device_put(struct vu_device *vu);

/* config_queue.c */
int vu_config_init(struct vu_device *vu);
void vu_config_start(struct vu_device *vu);
void vu_config_enumerate(struct vu_device *vu);
void vu_config_enumerate_more(struct vu_device *vu);
void vu_config_fail_all(struct vu_device *vu, int err);
void vu_config_free(struct vu_device *vu);
void vu_config_callback(struct virtqueue *vq);
struct vu_request *vu_request_new(struct virtio_user_instance *inst,
				  const struct vu_config_op *op);
void vu_request_put(struct vu_request *req);
int vu_config_submit(struct vu_request *req);
int vu_config_exchange(struct vu_request *req);

/* enumerate.c */
extern const struct vu_config_op vu_op_enumerate;
void vu_enumeration_begin(struct vu_enumeration *found);

/* ping_queue.c */
int vu_ping_init(struct vu_device *vu);
void vu_ping_detach(struct vu_device *vu);
void vu_ping_free(struct vu_device *vu);
void vu_ping_callback(struct virtqueue *vq);
int vu_ping_send(struct virtio_user_instance *inst,
		 const struct virtio_user_ping *pings, unsigned int count,
		 bool wait, bool more);
unsigned int vu_ping_try(struct virtio_user_instance *inst,
			 const struct virtio_user_ping *pings,
			 unsigned int count, bool more,
			 struct vu_waiter *waiter, int *err);
void vu_ping_kick(struct vu_device *vu);
bool vu_ping_ready(struct virtio_user_instance *inst, bool answer);
bool vu_ping_drain(struct virtio_user_instance *inst);

/* ping_wait.c */
void vu_spin_init(struct vu_spin *spin);
int vu_ping_call(struct virtio_user_instance *inst,
		 const struct virtio_user_ping *ping, bool wait, u32 *revents);
int vu_events_wait(struct virtio_user_instance *inst);

/* event_queue.c */
int vu_event_init(struct vu_device *vu);
void vu_event_start(struct vu_device *vu);
void vu_event_detach(struct vu_device *vu);
void vu_event_free(struct vu_device *vu);
void vu_event_callback(struct virtqueue *vq);
void vu_event_expect(struct vu_device *vu);
void vu_event_adopt(struct vu_device *vu, struct virtio_user_instance *inst);
bool vu_event_poll_begin(struct vu_device *vu);
void vu_event_poll(struct vu_device *vu);
void vu_event_poll_end(struct vu_device *vu, enum vu_poll_result result);

/* event_fifo.c */
void vu_instance_event(struct virtio_user_instance *inst, u32 revents);
bool vu_answer_reserve(struct virtio_user_instance *inst,
		       struct vu_waiter *waiter);
void vu_answer_cancel(struct virtio_user_instance *inst,
		      struct vu_waiter *waiter);
void vu_waiters_wake(struct virtio_user_instance *inst);
int vu_events_peek(struct virtio_user_instance *inst, u32 *revents,
		   unsigned int count, bool first);
void vu_events_consume(struct virtio_user_instance *inst, unsigned int count);
bool vu_events_readable(struct virtio_user_instance *inst);

/* instance.c */
struct virtio_user_instance *
vu_instance_create(struct vu_device *vu, const struct vu_node *node,
		   struct file *map_file,
		   const struct virtio_user_client_ops *ops, void *context);
void vu_instance_close(struct virtio_user_instance *inst);
void vu_instance_put(struct virtio_user_instance *inst);
void vu_closing_work(struct work_struct *work);
void vu_closing_stop(struct vu_device *vu);
void vu_instances_end(struct vu_device *vu);

/* shm.c */
int vu_shm_alloc(struct virtio_user_instance *inst,
		 struct virtio_user_shm *arg);
int vu_shm_import(struct virtio_user_instance *inst,
		  struct virtio_user_shm *arg);
int vu_shm_free(struct virtio_user_instance *inst, u64 shm_id);
int vu_shm_export(struct virtio_user_instance *inst, u64 shm_id);
struct vu_shm *vu_shm_find_range(struct virtio_user_instance *inst, u64 offset,
				 u64 size);
struct vu_shm *vu_shm_find_id(struct virtio_user_instance *inst, u64 id);
void vu_shm_put(struct vu_shm *shm);
void vu_shm_end_all(struct virtio_user_instance *inst);
void vu_shm_forget_all(struct virtio_user_instance *inst);
void vu_shm_drop_all(struct virtio_user_instance *inst);
void vu_shm_forget_objects(struct vu_device *vu);

/* mmap.c */
struct file *vu_map_file_new(void);
int vu_instance_mmap(struct virtio_user_instance *inst,
		     struct vm_area_struct *vma);
void vu_shm_end(struct virtio_user_instance *inst, struct vu_shm *shm);

/* node.c */
void vu_nodes_update(struct vu_device *vu, const struct vu_identity *devices,
		     u32 count);
void vu_nodes_remove_all(struct vu_device *vu);
int vu_nodes_init(void);
void vu_nodes_exit(void);

/* chardev.c */
extern const struct file_operations vu_fops;

/* sysfs.c */
extern const struct attribute_group *vu_attribute_groups[];

#endif /* VIRTIO_USER_PRIV_H */
