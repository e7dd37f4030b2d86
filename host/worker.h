/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that serves host calls without an exit.
 *
 * It polls the rings while calls keep coming and WINDOW after the last one,
 * then says so in every ring and sleeps. The enclave never wakes it, since
 * that would cost an exit; the host thread of an exit does, when it sees that
 * calls come fast enough for polling to pay.
 */
#pragma once

#include <stdint.h>

struct serve;
struct worker;

/* Starts polling at once. NULL: no thread. */
struct worker *worker_new(struct serve *s, int rings);
void worker_free(struct worker *w); /* ends it; NULL is fine */
/* Sleeps until worker_start; NULL is fine. */
void worker_stop(struct worker *w);
void worker_start(struct worker *w);
/* A call that a worker could have served came by an exit. */
void worker_hint(struct worker *w);
