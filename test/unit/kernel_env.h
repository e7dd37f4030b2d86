/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the file system code needs around it when it runs as an ordinary
 * program: memory, a process, user memory (anything), and host calls that are
 * served at once by the launcher's own handlers.
 */
#pragma once

#include <stdint.h>

struct process;

/* The one process; its table and context are made by env_init. */
extern struct process env_process;
/* What time_mono_ns() says; never moves by itself. */
extern uint64_t env_now;
/* Host calls made so far. */
extern unsigned env_calls;
/* Runs once, in the next host call: what another thread does meanwhile. */
extern void (*env_other)(void);
/* The same, when a string of the application is read: that may fault. */
extern void (*env_faulted)(void);

void env_init(void);
/* A system call handler with up to six arguments; the first descriptor is
 * looked up as the dispatcher does it. */
#define CALL(name, ...)                                                        \
	_Generic(                                                              \
		sys_##name, int64_t(*)(const uint64_t *)                       \
		: env_call, int64_t(*)(struct file *, const uint64_t *)        \
		: env_call_file, int64_t(*)(struct socket *, const uint64_t *) \
		: env_call_socket)(                                            \
		sys_##name, (const uint64_t[6]){__VA_ARGS__})

struct file;
struct socket;

int64_t env_call(int64_t (*handler)(const uint64_t *a), const uint64_t *a);
int64_t env_call_file(int64_t (*handler)(struct file *f, const uint64_t *a),
	const uint64_t *a);
int64_t env_call_socket(int64_t (*handler)(struct socket *s, const uint64_t *a),
	const uint64_t *a);
#define ENV_CWD ((uint64_t)-100) /* AT_FDCWD */
#define P(x) ((uint64_t)(uintptr_t)(x))
