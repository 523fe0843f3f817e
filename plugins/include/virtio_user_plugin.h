/* SPDX-License-Identifier: MIT */
/*
 * A virtio-user device as a shared library for virtio-userd (--device libX.so).
 *
 * Five functions must be exported, named and typed as in the virtio-user draft; a library written to the draft alone
 * works. Everything else is optional, found by its name. One library is one device. It is loaded once, when the daemon
 * starts, with all its symbols bound, and stays until the process ends.
 *
 * Order at the start, on the daemon's main thread: register_memory_mapping_funcs, virtio_user_plugin_init,
 * get_device_config_info. A function that is missing, a vendor/device pair that another device has, a library for
 * another machine: the daemon says so and does not start.
 *
 * Threads: the functions about one instance are called one after the other, never two at a time, but not always on the
 * same thread; on_instance_ending alone can come beside another one. Different instances run in parallel, so state that they
 * share needs a lock of the library's own. The daemon holds no lock during a call, so each function given to the library may
 * be called from within. A ping may take as long as it likes: others are not held up, only this instance's next ping waits. It
 * keeps a thread of the daemon for so long, unless it is answered later (on_instance_ping_async). on_accept_version,
 * on_create_instance and on_destroy_instance should be quick: the guest's requests to open and close devices and to get memory
 * are done one at a time, and wait up to 5 seconds for an instance to be made, 2 for one to end. map and unmap take as long as
 * copying takes, one at a time for each library; instances of this library that begin or end wait for them. Threads of
 * the library's own are welcome.
 *
 * Trust: the library runs in the daemon's process. A crash in it ends the daemon, and with it the devices of the VM. No
 * C++ exception and no longjmp may leave a function.
 *
 * The guest is not to be trusted. The bytes of a ping are shared with it and can change at any time: copy what must be
 * checked, then check the copy, then use the copy.
 */
#ifndef VIRTIO_USER_PLUGIN_H
#define VIRTIO_USER_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIRTIO_USER_EXPORT __attribute__((visibility("default")))

/* Bits of revents that are the device's; the daemon takes higher ones off. */
#define VIRTIO_USER_REVENTS_MASK 0x3fffffffu

/* The largest code of fail_ping. */
#define VIRTIO_USER_CODE_MAX 0x3fffffu

/* ---- What every library must export (from the draft) ---- */

/*
 * Puts memory of the library's own under a range of a shared-memory object: its content appears there, and what the guest
 * or the library writes from then on is seen by the other at once. The address host_ptr stays as it is; its pages are
 * replaced in place by those of the shared memory.
 *
 * @phys_addr: where the range begins, as the guest sees it: the phys_addr of a ping, or a place behind it
 * @host_ptr: the library's memory
 * @size: how many bytes
 *
 * All three must be multiples of 4096, @size not 0. The range must lie inside one object that a live instance of this device
 * holds, and must not overlap another mapping of this library. No other thread may write to the memory during the call:
 * such a write can be lost.
 *
 * The memory can be what malloc and its relatives return (aligned_alloc(4096, ...), with whole pages of its own), anonymous
 * memory, a file mapped privately, or a memfd, mapped privately or shared and writable. Refused, with the reason in the log:
 * files mapped shared (others who use the file would no longer see what is written), memory of devices and drivers
 * (a GPU's, for example), code, stacks, memory that is not mapped or can not be read, ranges that consist
 * of different kinds of memory, and memory that shows an object already. After a refusal the memory is as it was. If it was refused
 * because it could not be read (a file that is shorter than its mapping), the object may hold a part of it. Stacks of
 * other threads can not be told from other memory; do not map them.
 *
 * What the library has written to a memfd's shared mapping is seen only through @host_ptr and in the object while it is mapped;
 * other mappings of the memfd get the present content at the end.
 *
 * Keep the memory until the mapping has ended: it ends with unmap, or, if an instance ends that holds the object or held it
 * when it was mapped, just before its on_destroy_instance, unless another instance of this device holds the object: then
 * just before that one's. It does not end because the guest frees the object: the range is not used for anything
 * else before. While a mapping ends so, no thread of the library may write to the memory: such a write can be lost, as with
 * unmap. Where that matters, stop the threads and unmap before the guest closes the device.
 *
 * Any thread, also within a callback. Returns false if it was refused.
 */
typedef bool virtio_user_map_fn(uint64_t phys_addr, void *host_ptr, uint64_t size);

/*
 * Ends a mapping. The memory at host_ptr has the present content of the range and is the library's alone again: private
 * memory is anonymous private memory then, a shared memfd is the memfd again, with the content written to it.
 * The object's range keeps its bytes.
 *
 * @phys_addr, @size: exactly as they were given to map; a part can not be unmapped
 *
 * Any thread, also within a callback; no other thread may write to the memory during the call. Returns false if there is no
 * such mapping (any more); the log says why. If it is refused because a part of the memory was given back, moved or replaced
 * meanwhile, that part is left alone, the rest is the library's again, and the mapping is forgotten.
 */
typedef bool virtio_user_unmap_fn(uint64_t phys_addr, uint64_t size);

/*
 * Called once, first of all. Both functions stay valid until the process ends; they refuse everything as long as
 * there are no instances.
 */
VIRTIO_USER_EXPORT void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap);

/*
 * Tells which device the library is: called once. A guest finds it by the vendor and the device; the version is the one that
 * is listed, unless get_device_versions lists several. The three pointers are valid during the call only and never null.
 */
VIRTIO_USER_EXPORT void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version);

/*
 * A guest program opens the device. @handle is never 0 and never used twice. Returns false to refuse it. After 5 seconds
 * the guest is told that it failed; an instance that is made later is destroyed at once. Several instances may be made at
 * the same time.
 */
VIRTIO_USER_EXPORT bool on_create_instance(uint64_t handle);

/*
 * The instance ends, after its last ping: the program closed it, the driver or the VM is gone. Called at most once for each
 * on_create_instance that returned true; never while a ping of the instance runs or is open. When the daemon stops, the call
 * can be missing or cut off by the end of the process: what must survive that can not wait for it. The object's bytes must not
 * be touched from then on through pointers that pings brought; see map for the library's own memory, and hold_memory.
 */
VIRTIO_USER_EXPORT void on_destroy_instance(uint64_t handle);

/*
 * A ping of the guest. Full memory fences stand before and after the call.
 *
 * @handle: the instance
 * @metadata: free for the device's own protocol
 * @phys_addr: where the guest sees the first byte; 0 if the ping names no memory. A number, to compare and for map
 * @host_ptr: the same bytes in this process; null if the ping names no bytes. Valid during the call
 * @events: not 0 if the guest waits for an answer; the bits are the device's own
 *
 * The draft does not tell how many bytes there are: a device's protocol has to fix it, or use on_instance_ping_sized.
 * Returns the answer, VIRTIO_USER_REVENTS_MASK of it; dropped if nobody waits for one.
 */
VIRTIO_USER_EXPORT uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr,
					     uint32_t events);

/* ---- What a library may export as well ---- */

/* If exported, called in place of on_instance_ping. @size: how many bytes at @host_ptr the ping names, 0 without memory. */
VIRTIO_USER_EXPORT uint32_t on_instance_ping_sized(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr,
						   uint64_t size, uint32_t events);

/*
 * If exported, called in place of the two functions above. The ping is open until complete_ping or fail_ping of struct
 * virtio_user_host is called for it: before this function returns or later, on any thread. Meanwhile no thread of the daemon
 * is kept, the pings of other instances go on, and this instance's next ping waits.
 *
 * @handle: the instance
 * @ping: the ping, for complete_ping and fail_ping: never 0, and never used twice in the process
 * @host_ptr: valid while the ping is open, whatever the guest frees. The guest sees the bytes and can change them at any time
 * the others: as above
 *
 * Every ping must be completed, also one for which no guest waits (@events is 0): until then its instance takes no other and
 * does not end. When the daemon stops it waits up to 5 seconds for that.
 *
 * A library that exports this must export virtio_user_plugin_init too. A daemon that has no complete_ping does not call this.
 */
VIRTIO_USER_EXPORT void on_instance_ping_async(uint64_t handle, uint64_t ping, uint64_t metadata, uint64_t phys_addr,
					       void *host_ptr, uint64_t size, uint32_t events);

/*
 * The instance is about to end: the program has closed it, or the driver or the VM is gone, and nobody waits for its answers.
 * Whatever waits with an open ping should complete it soon; on_destroy_instance comes after that.
 *
 * Called once for each instance, before on_destroy_instance, and has returned by then. It can come while another function of
 * the instance runs on another thread, so what both touch needs a lock. Pings that the guest sent before can still come after
 * it: complete those without a wait. Should be quick.
 */
VIRTIO_USER_EXPORT void on_instance_ending(uint64_t handle);

/*
 * If exported, called in place of on_destroy_instance, for an end that takes time: it is over when complete_destroy of struct
 * virtio_user_host is called, before this function returns or later, on any thread. Meanwhile no thread of the daemon is kept,
 * what hold_memory keeps is valid, and the functions that take @handle work; mappings have ended before.
 *
 * A library that exports this must export virtio_user_plugin_init too. A daemon that has no complete_destroy calls
 * on_destroy_instance.
 */
VIRTIO_USER_EXPORT void on_destroy_instance_async(uint64_t handle);

/*
 * Tells which versions the library accepts: called once, after get_device_config_info. A guest finds each as a device of its
 * own, and opens one of them; get_instance_version tells an instance which. Writes them to @versions, which has room for @room
 * of them and is valid during the call, and returns how many there are. Each once, the version of get_device_config_info among
 * them. Without this function there is that one.
 */
VIRTIO_USER_EXPORT uint32_t get_device_versions(uint32_t *versions, uint32_t room);

/*
 * A guest has opened one of the versions that are listed; called before on_create_instance, several calls at the same time are
 * possible. Returns false to refuse. *accepted is @requested already and must stay so: a guest gets the version that it opened.
 */
VIRTIO_USER_EXPORT bool on_accept_version(uint32_t requested, uint32_t *accepted);

enum virtio_user_log_level {
	VIRTIO_USER_LOG_TRACE,
	VIRTIO_USER_LOG_DEBUG,
	VIRTIO_USER_LOG_INFORMATION,
	VIRTIO_USER_LOG_WARNING,
	VIRTIO_USER_LOG_ERROR,
	VIRTIO_USER_LOG_CRITICAL,
};

/*
 * What the daemon offers. All functions may be called on any thread, at any time, until the process ends; none waits for a
 * guest, a front-end or a function of the library. Later daemons add members at the end and make @size larger: compare it before
 * using a member that is not in this header's first version.
 */
struct virtio_user_host {
	uint32_t size; /* bytes of this structure */
	uint32_t version; /* 1 */

	/*
	 * Sends an event that no ping asked for; the guest sees revents (VIRTIO_USER_REVENTS_MASK of it) with bit 30 set.
	 * Returns false if it was dropped: too many wait already (the guest is told), or the instance has ended.
	 */
	bool (*raise_event)(uint64_t handle, uint32_t revents);

	/*
	 * Writes a line to the daemon's log. @level is an enum virtio_user_log_level, @text UTF-8 that ends with 0 and is
	 * copied. A guest can cause lines that a callback writes: keep them rare, or at a level that is off.
	 */
	void (*log)(int level, const char *text);

	/* Keeps a pointer for an instance, from on_create_instance on. Returns false if there is no such instance. */
	bool (*set_instance_data)(uint64_t handle, void *data);

	/* The pointer that was kept, or null. Still there in on_destroy_instance, gone after it. */
	void *(*get_instance_data)(uint64_t handle);

	/* The version that was agreed on for an instance; 0 if there is no such instance. */
	uint32_t (*get_instance_version)(uint64_t handle);

	/* ---- Newer than the first version: there if size says so ---- */

	/*
	 * Keeps bytes of an object valid for longer than a ping: for threads of the library's own, and work that goes on after
	 * the callback. They stay until release_memory, or until the end of @handle is over (on_destroy_instance has returned, or
	 * complete_destroy was called), whatever the guest frees meanwhile; touched later, they may be another object's. The guest
	 * sees them and can change them at any time. A mapping ends before on_destroy_instance, also under a range that is held:
	 * the range then has the bytes that the mapping left.
	 *
	 * @phys_addr, @size: a range inside one object that the instance holds: what a ping named, or a part; @size not 0. The
	 * same range, or parts of it, can be held several times
	 *
	 * Any thread, from on_create_instance (where the instance holds no object yet) until the end is over.
	 *
	 * Returns where the bytes are in this process: host_ptr of the ping for the same phys_addr. Null if it was refused: no
	 * such instance or object (the guest may have freed it during the ping), or 64 are held for the instance already; the
	 * log says which.
	 */
	void *(*hold_memory)(uint64_t handle, uint64_t phys_addr, uint64_t size);

	/*
	 * Ends one hold_memory, given the same numbers: no thread of the library may touch the bytes any more, unless another hold
	 * or a ping covers them. Returns false if there is none.
	 */
	bool (*release_memory)(uint64_t handle, uint64_t phys_addr, uint64_t size);

	/*
	 * Answers an open ping (on_instance_ping_async). The bytes of the ping must not be touched any more, unless hold_memory keeps
	 * them. Full memory fences stand before and after the call; it calls no function of the library. At once, even before it
	 * returns, the next ping of the instance or its end can come on another thread.
	 *
	 * @handle, @ping: as on_instance_ping_async had them
	 * @revents: the answer, VIRTIO_USER_REVENTS_MASK of it; dropped if nobody waits for one
	 *
	 * Any thread. Returns false, and has done nothing, if this is no open ping of this instance: completed or failed already,
	 * another instance's, or the instance has ended.
	 */
	bool (*complete_ping)(uint64_t handle, uint64_t ping, uint32_t revents);

	/*
	 * The same for a ping that failed: the guest learns so, and the instance goes on.
	 *
	 * @code: tells the guest why; the device's own, 0 to VIRTIO_USER_CODE_MAX. It is in bits 8 to 29 of what the guest reads,
	 * with bit 31
	 *
	 * Also returns false if @code is larger; the ping is open still.
	 */
	bool (*fail_ping)(uint64_t handle, uint64_t ping, uint32_t code);

	/*
	 * Ends what on_destroy_instance_async has begun. Nothing of the instance may be touched any more, and @handle is nobody's.
	 * Any thread. Returns false if there is no such instance, or its end has not begun.
	 */
	bool (*complete_destroy)(uint64_t handle);
};

/*
 * Called once, after register_memory_mapping_funcs. @host stays valid until the process ends. Returns false if the device can
 * not work: then the daemon does not start, and says what was logged here.
 */
VIRTIO_USER_EXPORT bool virtio_user_plugin_init(const struct virtio_user_host *host);

#ifdef __cplusplus
}
#endif

#endif
