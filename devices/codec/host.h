/* SPDX-License-Identifier: MIT */
/* What the daemon offers. */
#ifndef CODEC_HOST_H
#define CODEC_HOST_H

#include "virtio_user_plugin.h"

/* Set before the first instance. */
extern const struct virtio_user_host *host;

#endif
