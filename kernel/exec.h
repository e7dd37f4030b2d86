/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading programs: scripts, ELF programs and their interpreter, the first
 * stack.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

struct file;
struct process;
struct trapframe;

/* Argument or environment strings, one after the other with their NULs. */
struct exec_block {
	char *buf;
	size_t size, capacity;
	uint32_t count;
};

enum {
	EXEC_STRING_MAX = 128 * 1024, /* of one string, with NUL */
	EXEC_TOTAL_MAX = 2 * 1024 * 1024,
	EXEC_SCRIPT_DEPTH = 5,
};

/* 0, -ENOMEM, -E2BIG (limits above). */
must_check int exec_block_add(struct exec_block *b, const char *s);
void exec_block_fini(struct exec_block *b);

struct exec_request {
	struct file *file; /* the program; a reference that exec may exchange */
	char *path; /* as it was named; kmalloc'ed, likewise */
	struct exec_block args, env;
};

void exec_request_fini(struct exec_request *r);

/*
 * Replaces the image of p: the current process, or one without threads (boot;
 * then p->as must be NULL). On success p has its new address space and exe,
 * and frame what its thread starts with. Returns 0 or -errno as execve(2);
 * err (may be NULL) says what is wrong with the file. Errors behind the point
 * of no return end the process with SIGKILL. Sleeps.
 */
must_check int exec_load(struct process *p, struct exec_request *r,
	struct trapframe *frame, struct err *err);

/* The same with strings of the kernel, for process 1. Takes a reference of
 * its own on f. */
must_check int exec_load_first(struct process *p, struct file *f,
	const char *path, const char *const *argv, const char *const *envp,
	struct trapframe *frame, struct err *err);
