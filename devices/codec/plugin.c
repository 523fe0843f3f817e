/* SPDX-License-Identifier: MIT */
/* A video decoder as a virtio-user device: the functions that the daemon calls. codec_protocol.h tells what guests say to it. */
#include "decoder.h"
#include "host.h"

#include <libavutil/log.h>
#include <stddef.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#define INSTANCES_MAX 16 /* each has threads and memory of its own on the host */

struct instance {
	struct decoder *decoder; /* null before CODEC_OPEN */
};

const struct virtio_user_host *host;

static uint32_t instances;

void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap)
{
	(void)map, (void)unmap; /* this device has no memory of its own to show */
}

/*
 * Has the heap give memory that is 0. Codecs do not write all samples of a damaged picture, and libdav1d's are in memory that its
 * wrapper takes as it comes: the guest would get what the daemon had there before. Only glibc can do it, for the whole process; its
 * blocks of up to 1 KiB, which a thread uses again, stay as they are, but none is so small that holds samples.
 */
static void clear_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_PERTURB, 0xff); /* the bytes' complement */
#endif
}

bool virtio_user_plugin_init(const struct virtio_user_host *offered)
{
	if (offered->size < offsetof(struct virtio_user_host, complete_destroy) + sizeof(offered->complete_destroy)) {
		offered->log(VIRTIO_USER_LOG_ERROR, "The decoder needs a virtio-userd that has "
						    "complete_destroy.");
		return false;
	}
	host = offered;
	clear_memory();
	/* What a guest sends would fill the daemon's standard error. */
	av_log_set_callback(decoder_hear);
	return true;
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = CODEC_VENDOR;
	*device = CODEC_DEVICE;
	*version = CODEC_VERSION;
}

bool on_create_instance(uint64_t handle)
{
	static bool said;
	struct instance *instance;

	if (__atomic_add_fetch(&instances, 1, __ATOMIC_RELAXED) > INSTANCES_MAX) {
		/* Once: a guest can try again and again. */
		if (!__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
			host->log(VIRTIO_USER_LOG_WARNING, "A guest wants more than 16 decoders at the "
							   "same time; no more are made.");
		goto fail;
	}
	instance = calloc(1, sizeof(*instance));
	if (!instance)
		goto fail;
	if (host->set_instance_data(handle, instance))
		return true;
	free(instance);

fail:
	__atomic_sub_fetch(&instances, 1, __ATOMIC_RELAXED);
	return false;
}

/* A decoder's thread is at work on a picture, or waits for libavcodec's threads: it ends in its own time, and nobody waits here. */
void on_destroy_instance_async(uint64_t handle)
{
	struct instance *instance = host->get_instance_data(handle);

	if (instance->decoder)
		decoder_close(instance->decoder);
	else
		end_instance(handle);
}

void end_instance(uint64_t handle)
{
	free(host->get_instance_data(handle));
	__atomic_sub_fetch(&instances, 1, __ATOMIC_RELAXED);
	host->complete_destroy(handle);
}

/* What a host calls that knows the draft alone; this device does not start there. */
void on_destroy_instance(uint64_t handle)
{
	(void)handle;
}

uint32_t on_instance_ping_sized(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint64_t size,
				uint32_t events)
{
	struct instance *instance = host->get_instance_data(handle);

	(void)events;
	switch (metadata) {
	case CODEC_OPEN:
		if (instance->decoder)
			return CODEC_OPEN_ALREADY;
		return decoder_open(handle, phys_addr, host_ptr, size, &instance->decoder);
	case CODEC_DOORBELL:
		if (!instance->decoder)
			return CODEC_BAD_REQUEST;
		decoder_doorbell(instance->decoder);
		return CODEC_OK;
	default:
		return CODEC_BAD_REQUEST;
	}
}

/* What a host calls that knows the draft alone; this device does not start there. */
uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	return on_instance_ping_sized(handle, metadata, phys_addr, host_ptr, 0, events);
}
