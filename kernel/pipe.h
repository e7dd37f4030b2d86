/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and FIFOs: a ring of bytes inside the enclave.
 *
 * The ring grows with its use up to the capacity (64 KiB unless F_SETPIPE_SZ
 * said otherwise). Writes of up to PIPE_BUF bytes are atomic.
 */
#pragma once

#include <stdint.h>

struct file;
struct pipe;

/* The state of a FIFO, kept by its vnode. NULL: no memory. */
struct pipe *pipe_new(void);
void pipe_put(struct pipe *p);

/*
 * Opens one end, or both with O_RDWR, as open(2) of a FIFO does: waits for
 * the other side unless O_NONBLOCK. 0 with *out, -ENXIO, -ERESTARTSYS,
 * -ENOMEM. pipe_open_now does not wait for the other side.
 */
int pipe_open(struct pipe *p, uint32_t flags, struct file **out);
int pipe_open_now(struct pipe *p, uint32_t flags, struct file **out);
