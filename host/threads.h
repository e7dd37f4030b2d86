/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host threads that the launcher lends to the enclave: each enters its TCS,
 * serves what the enclave leaves for, and enters again. A further thread
 * gives those that are inside a tick, 100 times a second.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/enclave_backend.h"
#include "abi/entry.h"
#include "abi/layout.h"
#include "host/serve.h"
#include "lib/err.h"

/* A real-time signal that glibc leaves alone. */
enum { THREADS_TICK_SIGNAL = 40 };

struct host_thread {
	struct launcher *launcher;
	pthread_t pthread;
	int cpu;
	bool started;
	uint32_t inside; /* 1 between EENTER and its return; ticks look */
	uint32_t kicked; /* futex: a kick that park has not consumed */
	uint64_t aex; /* AEXes of this thread */
};

struct launcher {
	const struct enclave_backend *backend;
	struct enclave *enclave;
	struct serve *serve;
	char *shared; /* the region: abi/ring.h */
	unsigned int cpus;
	int stats_fd; /* where the report of --stats goes */
	struct host_thread thread[TCS_MAX];

	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t ended;
	bool stopped;
	int wait_status; /* of the program */
	int error; /* -errno if the enclave did not end well */
	struct err err;
};

extern const struct serve_enclave_ops threads_enclave_ops;

/* Boots the enclave and runs it to its end. 0: l->wait_status is set; else
 * -errno with the reason in e. Threads may still be inside: the process must
 * end soon. */
int threads_run(struct launcher *l, unsigned int cpus, struct err *e);
/* Has every thread that ever entered come back for good? Joins it. */
bool threads_gone(struct launcher *l);
