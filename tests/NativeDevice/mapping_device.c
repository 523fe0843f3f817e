/* SPDX-License-Identifier: MIT */
/*
 * Maps memory of its own into the guest's objects. Written to the bare draft: five functions and nothing else. What it is told stands in
 * the metadata: operation (8 bits), slot (8 bits), kind of memory or value (16 bits), offset in bytes or number of
 * pages (32 bits).
 */
#define _GNU_SOURCE
#include "virtio_user_plugin.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define SLOTS 256

enum operation {
	MAP = 1, /* makes memory full of the value 'slot' and maps it; answers whether that went well */
	UNMAP, /* answers whether that went well */
	PEEK, /* answers with a byte of the slot's memory */
	POKE, /* changes one */
	PEEK_FILE, /* answers with a byte of the file behind the slot's memory */
	DROP, /* gives the slot's memory back */
	CUT, /* gives one page of it back */
	MOVE, /* gives it another address */
	STAY, /* answers only after LEAVE */
	AWAIT_STAY, /* answers when a ping stays */
	LEAVE,
};

enum kind {
	HEAP,
	ANONYMOUS,
	PRIVATE_FILE,
	PRIVATE_MEMFD,
	SHARED_MEMFD,
	SHARED_ANONYMOUS,
	READ_ONLY_FILE,
	SHARED_FILE,
	SHORT_FILE,
	NO_ACCESS,
	NOTHING,
	STACK,
	CODE,
	KERNEL,
	OBJECT,
	CROOKED,
	PRIVATE_SHM,
};

static struct slot {
	unsigned char *bytes;
	uint64_t size;
	int file;
	enum kind kind;
} slots[SLOTS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool stays, left;

static virtio_user_map_fn *map;
static virtio_user_unmap_fn *unmap;

void register_memory_mapping_funcs(virtio_user_map_fn *given_map, virtio_user_unmap_fn *given_unmap)
{
	map = given_map;
	unmap = given_unmap;
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = 0x5655;
	*device = 0x7e5c;
	*version = 1;
}

bool on_create_instance(uint64_t handle)
{
	(void)handle;
	return true;
}

void on_destroy_instance(uint64_t handle)
{
	(void)handle;
}

static int open_unnamed(char *name)
{
	int file = mkostemp(name, 02000000 /* O_CLOEXEC */);

	if (file >= 0)
		unlink(name);
	return file;
}

static void open_file(struct slot *slot, enum kind kind, uint64_t size, unsigned char value)
{
	char name[] = "/tmp/virtio-user-mapping-XXXXXX", shm_name[] = "/dev/shm/virtio-user-mapping-XXXXXX";
	unsigned char *content = malloc(size);

	if (kind == PRIVATE_MEMFD || kind == SHARED_MEMFD)
		slot->file = memfd_create("mapping-device", MFD_CLOEXEC);
	else
		slot->file = open_unnamed(kind == PRIVATE_SHM ? shm_name : name);
	memset(content, value, size);
	if (pwrite(slot->file, content, size, 0) != (ssize_t)size)
		abort();
	free(content);
}

static void *map_pages(struct slot *slot, int protection, int flags)
{
	void *bytes = mmap(NULL, slot->size, protection, flags, slot->file, 0);

	if (bytes == MAP_FAILED)
		abort();
	return bytes;
}

static void make(struct slot *slot, enum kind kind, uint64_t size, unsigned char value, void *object)
{
	const int both = PROT_READ | PROT_WRITE;

	slot->kind = kind;
	slot->size = size;
	slot->file = -1;
	switch (kind) {
	case HEAP:
		slot->bytes = aligned_alloc(PAGE, size);
		memset(slot->bytes, value, size);
		break;
	case ANONYMOUS:
	case SHARED_ANONYMOUS:
		slot->bytes = map_pages(slot, both, MAP_ANONYMOUS | (kind == ANONYMOUS ? MAP_PRIVATE : MAP_SHARED));
		memset(slot->bytes, value, size);
		break;
	case PRIVATE_FILE:
	case PRIVATE_SHM:
	case PRIVATE_MEMFD:
		open_file(slot, kind, size, value);
		slot->bytes = map_pages(slot, both, MAP_PRIVATE);
		break;
	case SHARED_FILE:
	case SHARED_MEMFD:
		open_file(slot, kind, size, value);
		slot->bytes = map_pages(slot, both, MAP_SHARED);
		break;
	case READ_ONLY_FILE:
		open_file(slot, kind, size, value);
		slot->bytes = map_pages(slot, PROT_READ, MAP_PRIVATE);
		break;
	case SHORT_FILE:
		open_file(slot, kind, PAGE, value);
		slot->bytes = map_pages(slot, both, MAP_PRIVATE);
		break;
	case NO_ACCESS:
		slot->bytes = map_pages(slot, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
		break;
	case NOTHING:
		slot->bytes = (unsigned char *)0x10000; /* where the kernel maps nothing by itself */
		break;
	case STACK:
		slot->bytes = (unsigned char *)((uintptr_t)__builtin_frame_address(0) & -(uintptr_t)PAGE);
		break;
	case CODE:
		slot->bytes = (unsigned char *)((uintptr_t)on_instance_ping & -(uintptr_t)PAGE);
		break;
	case KERNEL:
		slot->bytes = (unsigned char *)getauxval(AT_SYSINFO_EHDR);
		break;
	case OBJECT:
		slot->bytes = object;
		break;
	case CROOKED:
		slot->bytes = (unsigned char *)aligned_alloc(PAGE, size + PAGE) + 8;
		break;
	}
}

static void drop(struct slot *slot)
{
	if (slot->kind == HEAP)
		free(slot->bytes);
	else if (slot->kind <= SHORT_FILE || slot->kind == PRIVATE_SHM)
		munmap(slot->bytes, slot->size);
	if (slot->file >= 0)
		close(slot->file);
	memset(slot, 0, sizeof(*slot));
}

static uint32_t peek_file(const struct slot *slot, uint32_t offset)
{
	unsigned char byte;

	return pread(slot->file, &byte, 1, offset) == 1 ? byte : 0x100;
}

static bool move(struct slot *slot)
{
	void *place = mmap(NULL, slot->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *moved = mremap(slot->bytes, slot->size, slot->size, MREMAP_MAYMOVE | MREMAP_FIXED, place);

	if (place == MAP_FAILED || moved == MAP_FAILED)
		return false;
	slot->bytes = moved;
	return true;
}

static void set(bool *what)
{
	pthread_mutex_lock(&lock);
	*what = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void await(const bool *what)
{
	pthread_mutex_lock(&lock);
	while (!*what)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	struct slot *slot = &slots[metadata >> 48 & 0xff];
	uint32_t value = metadata >> 32 & 0xffff;
	uint32_t offset = (uint32_t)metadata;

	(void)handle;
	(void)events;
	switch ((enum operation)(metadata >> 56)) {
	case MAP:
		make(slot, value, (uint64_t)offset * PAGE, metadata >> 48 & 0xff, host_ptr);
		return map(phys_addr, slot->bytes, slot->size);
	case UNMAP:
		return unmap(phys_addr, slot->size);
	case PEEK:
		return slot->bytes[offset];
	case POKE:
		slot->bytes[offset] = (unsigned char)value;
		return 1;
	case PEEK_FILE:
		return peek_file(slot, offset);
	case DROP:
		drop(slot);
		return 1;
	case CUT:
		return munmap(slot->bytes + offset, PAGE) == 0;
	case MOVE:
		return move(slot);
	case STAY:
		set(&stays);
		await(&left);
		return 1;
	case AWAIT_STAY:
		await(&stays);
		return 1;
	case LEAVE:
		set(&left);
		return 1;
	}
	return 0;
}
