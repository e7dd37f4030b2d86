/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc and the little of /sys that programs ask for: what the enclave knows
 * about itself, never what the host says about the machine.
 *
 * System-wide files are rows of a sorted table with whole paths; directories
 * are implied. Files of a process are rows of a second table, offered below
 * PID and below PID/task/TID.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/types.h"

struct process;
struct thread;

/* Text under construction; grows. failed: no memory. */
struct text {
	char *buf;
	size_t len, size;
	bool failed;
};

void text_add(struct text *t, const char *format, ...) printf_like(2, 3);
void text_add_bytes(struct text *t, const void *data, size_t size);

/* A system-wide file. */
struct proc_file {
	const char *path; /* below the mount */
	void (*show)(struct text *t);
	const char *fixed; /* the text itself, if show is NULL */
};
extern const struct proc_file procfs_files[];
extern const size_t procfs_file_count;
extern const struct proc_file sysfs_files[];
extern const size_t sysfs_file_count;

/* A file of a process or thread; t is its first thread if the file is below
 * PID itself, and may be NULL when that is over. */
struct proc_pid_file {
	const char *name;
	uint32_t mode;
	void (*show)(struct text *x, struct process *p, struct thread *t);
	/* A write of at most 63 bytes, NUL-terminated. */
	int (*store)(struct process *p, struct thread *t, const char *text);
	const char *fixed; /* if show is NULL */
};
extern const struct proc_pid_file procfs_pid_files[];
extern const size_t procfs_pid_file_count;
