// SPDX-License-Identifier: MIT
// The test device in C++: TestDevices.ManyVersions, as far as TestOperation makes sense here.
#include "virtio_user_plugin.h"

#include <bit>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>
#include <set>
#include <span>
#include <thread>
#include <vector>

namespace
{

enum class Operation : uint8_t {
	Echo,
	EchoEvents,
	Checksum,
	Fill,
	Copy,
	Wait = 6,
	Release,
	RaiseEvents,
	Version,
	Count,
	PhysicalPage = 13,
	Length,
	JoinEvents,
};

const virtio_user_host *host;

class Gates
{
    public:
	void wait(uint64_t gate)
	{
		std::unique_lock lock(mutex_);
		opened_.wait(lock, [&] { return gates_.contains(gate); });
	}

	void open(uint64_t gate)
	{
		std::lock_guard lock(mutex_);
		gates_.insert(gate);
		opened_.notify_all();
	}

    private:
	std::mutex mutex_;
	std::condition_variable opened_;
	std::set<uint64_t> gates_;
} gates;

class Instance
{
    public:
	explicit Instance(uint64_t handle) : handle_(handle)
	{
	}

	uint32_t ping(uint64_t metadata, uint64_t phys_addr, void *bytes, uint64_t size, uint32_t events)
	{
		const uint64_t argument = metadata & 0x00ff'ffff'ffff'ffff;
		const std::span words(static_cast<uint64_t *>(bytes), size / 8);

		count_++;
		switch (static_cast<Operation>(metadata >> 56)) {
		case Operation::Echo:
			return static_cast<uint32_t>(argument);
		case Operation::EchoEvents:
			return events;
		case Operation::Checksum: {
			uint64_t sum = 0xcbf2'9ce4'8422'2325;
			for (uint64_t word : words)
				sum = (std::rotl(sum, 5) ^ word) * 0x100'0000'01b3;
			return static_cast<uint32_t>(sum ^ sum >> 32);
		}
		case Operation::Fill: {
			uint64_t seed = argument;
			for (uint64_t &word : words)
				word = seed += 0x9e37'79b9'7f4a'7c15;
			return 1;
		}
		case Operation::Copy:
			std::memcpy(static_cast<char *>(bytes) + size / 2, bytes, size / 2);
			return 1;
		case Operation::Wait:
			gates.wait(argument);
			return 1;
		case Operation::Release:
			gates.open(argument);
			return 1;
		case Operation::RaiseEvents:
			raising_.emplace_back([handle = handle_, argument] {
				for (uint32_t i = 1; i <= argument; i++)
					host->raise_event(handle, i);
			});
			return 1;
		case Operation::JoinEvents:
			raising_.clear();
			return 1;
		case Operation::Version:
			return host->get_instance_version(handle_);
		case Operation::Count:
			return count_;
		case Operation::PhysicalPage:
			return static_cast<uint32_t>(phys_addr >> 12);
		case Operation::Length:
			return static_cast<uint32_t>(size);
		}
		return 0;
	}

    private:
	uint64_t handle_;
	uint32_t count_ = 0;
	std::vector<std::jthread> raising_;
};

}

void register_memory_mapping_funcs(virtio_user_map_fn *, virtio_user_unmap_fn *)
{
}

bool virtio_user_plugin_init(const virtio_user_host *given)
{
	host = given;
	return true;
}

void get_device_config_info(uint32_t *vendor, uint32_t *device, uint32_t *version)
{
	*vendor = 0x5655;
	*device = 0x7e5a;
	*version = 4;
}

uint32_t get_device_versions(uint32_t *versions, uint32_t)
{
	versions[0] = 2;
	versions[1] = 3;
	versions[2] = 4;
	return 3;
}

bool on_accept_version(uint32_t requested, uint32_t *)
{
	return requested >= 2 && requested <= 4;
}

bool on_create_instance(uint64_t handle)
{
	auto *instance = new (std::nothrow) Instance(handle);

	return instance && host->set_instance_data(handle, instance);
}

void on_destroy_instance(uint64_t handle)
{
	delete static_cast<Instance *>(host->get_instance_data(handle));
}

uint32_t on_instance_ping_sized(uint64_t handle, uint64_t metadata, uint64_t phys_addr, void *host_ptr, uint64_t size,
				uint32_t events)
{
	return static_cast<Instance *>(host->get_instance_data(handle))->ping(metadata, phys_addr, host_ptr, size, events);
}

// Never called: the one with the size is there.
uint32_t on_instance_ping(uint64_t, uint64_t, uint64_t, void *, uint32_t)
{
	return 0;
}
