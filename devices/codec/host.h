/* SPDX-License-Identifier: MIT */
/* What the daemon offers, and the end of an instance. */
#ifndef CODEC_HOST_H
#define CODEC_HOST_H

#include "virtio_user_plugin.h"

/* Set before the first instance. */
extern const struct virtio_user_host *host;

/* The last thing about an instance: frees it, and tells the daemon that its end is over. */
void end_instance(uint64_t handle);

#endif
