/* SPDX-License-Identifier: MIT */
/*
 * A device of the interface's first version, which knows no header: what is declared here was so then, and libraries that were built
 * then must work for good.
 */
#include <stdbool.h>
#include <stdint.h>

struct first_host {
	uint32_t size;
	uint32_t version;
	bool (*raise_event)(uint64_t handle, uint32_t revents);
	void (*log)(int level, const char *text);
	bool (*set_instance_data)(uint64_t handle, void *data);
	void *(*get_instance_data)(uint64_t handle);
	uint32_t (*get_instance_version)(uint64_t handle);
};

static const struct first_host *host;
static uint64_t created, destroyed;

void register_memory_mapping_funcs(bool (*map)(uint64_t, void *, uint64_t), bool (*unmap)(uint64_t, uint64_t))
{
	(void)map;
	(void)unmap;
}

bool virtio_user_plugin_init(const struct first_host *given)
{
	host = given;
	return host->size >= sizeof(*host) && host->version == 1;
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = 0x5655;
	*device = 0x7e60;
	*version = 1;
}

bool on_create_instance(uint64_t handle)
{
	created++;
	return host->set_instance_data(handle, &created);
}

void on_destroy_instance(uint64_t handle)
{
	if (host->get_instance_data(handle) == &created)
		destroyed++;
}

/* Answers how many instances have ended, and sends the metadata as an event. */
uint32_t on_instance_ping(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint32_t events)
{
	unsigned char *bytes = host_ptr;

	(void)phys_addr, (void)events;
	if (bytes)
		bytes[0]++;
	host->raise_event(handle, (uint32_t)metadata);
	return (uint32_t)destroyed + host->get_instance_version(handle) * 100;
}
