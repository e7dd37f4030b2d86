/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes. All processes share one linear range, so the address of the word
 * is the key of private and shared futexes alike; a memory object that is
 * mapped at two addresses has two keys (a documented limit).
 */
#pragma once

#include <stdint.h>

struct thread;

/* Wakes up to count waiters at an address; how many there were. */
int futex_wake(uint64_t u_addr, int count, uint32_t bitset);

/* FUTEX_WAIT goes on after an interruption without handler. */
int64_t futex_restart(uint64_t u_addr, uint32_t expect, uint64_t deadline);

/* What the end of a thread (or exec) means for the locks it holds: walks the
 * robust list, hands on its PI futexes, clears clear_child_tid and wakes
 * whoever joins. Writes to the application's memory; may sleep. */
void futex_exit_thread(struct thread *t);
