/* The device of README.md in C: turns bytes around where they lie. */
#include "virtio_user_plugin.h"

void register_memory_mapping_funcs(virtio_user_map_fn *map, virtio_user_unmap_fn *unmap)
{
	(void)map; /* this device has no memory of its own to show */
	(void)unmap;
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = 0x1234;
	*device = 0x0001;
	*version = 1;
}

bool on_create_instance(uint64_t handle)
{
	return handle != 0;
}

void on_destroy_instance(uint64_t handle)
{
	(void)handle;
}

uint32_t on_instance_ping_sized(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint64_t size,
				uint32_t events)
{
	unsigned char *bytes = host_ptr;

	(void)handle, (void)metadata, (void)phys_addr, (void)events;
	for (uint64_t low = 0, high = size; low + 1 < high; low++, high--) {
		unsigned char byte = bytes[low];

		bytes[low] = bytes[high - 1];
		bytes[high - 1] = byte;
	}
	return 1;
}

/* What a host calls that knows the draft alone. This one does not, since it finds the function with the size. */
uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	(void)handle, (void)metadata, (void)phys_addr, (void)host_ptr, (void)events;
	return 0;
}
