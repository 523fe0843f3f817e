/* SPDX-License-Identifier: MIT */
/* A device that lacks two functions. */
#include "virtio_user_plugin.h"

void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap)
{
	(void)map;
	(void)unmap;
}

bool on_create_instance(uint64_t handle)
{
	return handle != 0;
}

void on_destroy_instance(uint64_t handle)
{
	(void)handle;
}
