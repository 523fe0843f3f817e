/* SPDX-License-Identifier: MIT */
/*
 * A device that does not want to start; with UNBOUND defined, one that calls what nobody has; with MUTE defined, one that cannot
 * complete pings.
 */
#include "virtio_user_plugin.h"

#ifdef UNBOUND
bool nobody_has_this(void);
#endif

void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap)
{
	(void)map;
	(void)unmap;
}

#ifdef MUTE
void on_instance_ping_async(uint64_t handle, uint64_t ping, uint64_t metadata, uint64_t phys_addr, void *host_ptr,
			    uint64_t size, uint32_t events)
{
	(void)handle, (void)ping, (void)metadata, (void)phys_addr, (void)host_ptr, (void)size, (void)events;
}
#else
bool virtio_user_plugin_init(const struct virtio_user_host *host)
{
	host->log(VIRTIO_USER_LOG_ERROR, "there is no camera");
#ifdef UNBOUND
	return nobody_has_this();
#else
	return false;
#endif
}
#endif

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = *device = *version = 1;
}

bool on_create_instance(uint64_t handle)
{
	return handle != 0;
}

void on_destroy_instance(uint64_t handle)
{
	(void)handle;
}

uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	(void)handle, (void)metadata, (void)phys_addr, (void)host_ptr;
	return events;
}
