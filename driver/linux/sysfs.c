// SPDX-License-Identifier: GPL-2.0
/*
 * Attributes of the virtio device: the enumeration space, the size of the shared
 * region, for how long waits poll, and counters, most for what a device should
 * not do.
 */
#include <linux/sysfs.h>

#include "virtio_user_priv.h"

static struct vu_device *vu_of(struct device *dev)
{
	return dev_to_virtio(dev)->priv;
}

#define VU_ATTRIBUTE(name, format, value)                                    \
	static ssize_t name##_show(struct device *dev,                       \
				   struct device_attribute *attr, char *buf) \
	{                                                                    \
		struct vu_device *vu = vu_of(dev);                           \
		return sysfs_emit(buf, format "\n", READ_ONCE(value));       \
	}                                                                    \
	static DEVICE_ATTR_RO(name)

VU_ATTRIBUTE(enumeration_space_id, "0x%08x", vu->enumeration_space_id);
VU_ATTRIBUTE(shared_memory_size, "%llu", vu->region.size);
VU_ATTRIBUTE(pings, "%llu", vu->ping.sent);
VU_ATTRIBUTE(events, "%llu", vu->event.received);
VU_ATTRIBUTE(answers_in_call, "%llu", vu->event.handed_over);
VU_ATTRIBUTE(polls_paid, "%llu", vu->event.polls[VU_POLL_PAID]);
VU_ATTRIBUTE(polls_missed, "%llu", vu->event.polls[VU_POLL_MISSED]);
VU_ATTRIBUTE(events_malformed, "%llu", vu->event.malformed);
VU_ATTRIBUTE(events_without_instance, "%llu", vu->event.unknown_instance);
VU_ATTRIBUTE(answers_unasked, "%lld", vu->answers_unasked.counter);
VU_ATTRIBUTE(own_events_lost, "%lld", vu->own_events_lost.counter);
VU_ATTRIBUTE(replies_malformed, "%lld", vu->config_malformed.counter);
VU_ATTRIBUTE(replies_unexpected, "%lld", vu->config_unexpected.counter);

static ssize_t poll_us_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(vu_of(dev)->poll_us));
}

static ssize_t poll_us_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	unsigned int poll_us;
	int err;

	err = kstrtouint(buf, 10, &poll_us);
	if (err)
		return err;
	if (poll_us > VU_POLL_MAX_US)
		return -EINVAL;
	WRITE_ONCE(vu_of(dev)->poll_us, poll_us);
	return count;
}
static DEVICE_ATTR_RW(poll_us);

static struct attribute *vu_attributes[] = {
	&dev_attr_enumeration_space_id.attr,
	&dev_attr_shared_memory_size.attr,
	&dev_attr_poll_us.attr,
	NULL,
};

static const struct attribute_group vu_group = {
	.attrs = vu_attributes,
};

static struct attribute *vu_statistics[] = {
	&dev_attr_pings.attr,
	&dev_attr_events.attr,
	&dev_attr_answers_in_call.attr,
	&dev_attr_polls_paid.attr,
	&dev_attr_polls_missed.attr,
	&dev_attr_events_malformed.attr,
	&dev_attr_events_without_instance.attr,
	&dev_attr_answers_unasked.attr,
	&dev_attr_own_events_lost.attr,
	&dev_attr_replies_malformed.attr,
	&dev_attr_replies_unexpected.attr,
	NULL,
};

static const struct attribute_group vu_statistics_group = {
	.name = "statistics",
	.attrs = vu_statistics,
};

const struct attribute_group *vu_attribute_groups[] = {
	&vu_group,
	&vu_statistics_group,
	NULL,
};
