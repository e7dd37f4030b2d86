/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server of host calls consists of; for handlers and workers only.
 */
#pragma once

#include <pthread.h>

#include "abi/layout.h"
#include "host/serve.h"

struct serve_ring {
	pthread_mutex_t lock; /* who takes submissions and completes */
	pthread_cond_t done;
	uint64_t sq_head; /* submissions taken */
	uint64_t cq_tail;
	unsigned running; /* taken, not completed */
};

struct serve {
	char *base;
	size_t size;
	int cpus;
	const struct serve_enclave_ops *enclave;
	void *enclave_ctx;
	struct serve_ring ring[TCS_MAX];
	uint64_t calls[HOSTCALL_COUNT];
	struct worker *worker; /* NULL: none asked for */
};
