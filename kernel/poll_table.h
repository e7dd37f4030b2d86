/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for several files at once: poll(2), select(2), and blocking
 * operations on files that offer only poll().
 *
 *	poll_table_init(&t);
 *	for (;;) {
 *		for each file: ready = poll_table_poll(&t, file, wanted);
 *		if (any || (err = poll_table_sleep(&t, deadline)))
 *			break;
 *	}
 *	poll_table_fini(&t);
 *
 * The first round registers, later ones only look. Files stay referenced
 * until poll_table_fini.
 */
#pragma once

#include "kernel/poll.h"
#include "kernel/wait.h"

struct file;

enum { POLL_TABLE_INLINE = 6, POLL_TABLE_CHUNK = 62 };

struct poll_entry {
	struct waiter waiter;
	struct poll_table *table;
	struct file *file;
};

struct poll_chunk {
	struct poll_chunk *next;
	struct poll_entry entries[POLL_TABLE_CHUNK];
};

struct poll_table {
	struct poll_ctx ctx;
	struct thread *thread;
	struct file *file; /* being polled */
	bool registered; /* the first round is over */
	bool woken;
	int error; /* -ENOMEM while registering */
	unsigned count; /* entries in use in the newest place */
	struct poll_chunk *chunks;
	struct poll_entry entries[POLL_TABLE_INLINE];
};

void poll_table_init(struct poll_table *t);
/* Ready events of f among wanted, POLLERR and POLLHUP. May sleep. */
uint32_t poll_table_poll(struct poll_table *t, struct file *f, uint32_t wanted);
/* Until an event may have come: 0, -ETIMEDOUT, -ERESTARTSYS, -ENOMEM. */
int poll_table_sleep(struct poll_table *t, uint64_t deadline)
	__attribute__((warn_unused_result));
void poll_table_fini(struct poll_table *t);

/* What a file's poll() says, ready always if it has none. */
uint32_t file_poll(struct file *f, struct poll_ctx *pc);

/* Absolute deadline of now + ns without overflow; 0 stays 0 ("no wait"). */
uint64_t poll_deadline(uint64_t ns);
/* The same of the relative time at u_time (usertime.h has units), forever if
 * there is none. */
int poll_deadline_read(uint64_t u_time, uint64_t unit, uint64_t *deadline);
