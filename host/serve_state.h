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
	bool trace, names;
	struct worker *worker; /* NULL: none asked for */
};

/* Its row, NULL if there is none of that number. */
const struct hostcall_desc *serve_desc(uint64_t nr);
/* Runs a call whose buffers are still offsets; they become addresses. */
int64_t serve_run(struct serve *s, int cpu, uint64_t nr, uint64_t *a);
/* A line about a call that was served; a are its addresses. */
void serve_trace(int cpu, const struct hostcall_desc *d, const uint64_t *a,
	int64_t result);
/* Writes a completion, id last. */
void serve_put_done(uint64_t *done, uint64_t id, int64_t result);
