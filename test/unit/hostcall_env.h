/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel's host-call modules need around them in a hosted test: an
 * enclave thread (%gs points at a struct cpu as inside), an exit that is a
 * function call into the server, user memory that is the process's own, and
 * panics that come back. The region, the server and one file are set up.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct serve;
struct uio;
struct uio_seg;

enum { ENV_REGION_SIZE = 8 << 20 };

extern char *env_region;
extern struct serve *env_server;
extern int env_file; /* a host descriptor that the enclave owns */
/* Called between serving and returning with the slot's completion words. */
extern void (*env_lie)(uint64_t *slot_done);
/* Around every exit: true while outside. */
extern volatile bool env_outside;

/* Runs this thread, and threads it makes, on that processor, if it exists. */
void env_pin(int processor);

int env_setup(void **state); /* a cmocka fixture */

/* True if the enclave stops with -EPROTO in fn; ends the lie. A panic that is
 * a bug of the kernel aborts the process. */
bool env_stops(void (*fn)(void));
extern char env_stop_text[256];

struct uio env_uio(struct uio_seg *seg, size_t count, bool kernel);
