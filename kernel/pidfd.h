/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of processes: readable once the process has ended. */
#pragma once

#include <stdint.h>

struct process;

/* A descriptor of p (close-on-exec) or -errno. */
int pidfd_new(struct process *p, uint32_t flags);
/* The process of a descriptor with a reference; NULL: not such a one. */
struct process *pidfd_process(int fd);
