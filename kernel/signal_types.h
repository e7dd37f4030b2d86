/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal state embedded in threads and processes; the functions are in
 * signal.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"

enum { NSIG_KERNEL = 64 };

/* struct siginfo as the application sees it, 128 bytes. */
struct ksiginfo {
	int32_t signo, err, code, pad;
	uint8_t rest[112];
};

struct thread_signals {
	uint64_t blocked; /* bit n-1: signal n */
	uint64_t saved_mask; /* sigsuspend, ppoll, epoll_pwait */
	bool restore_mask;
	uint64_t pending; /* directed at this thread */
	struct list queue; /* queued siginfos, signal.c */
	uint64_t wait_set; /* sigtimedwait: may end its sleep although
			      blocked */
	uint64_t altstack_sp, altstack_size;
	uint32_t altstack_flags;
	/* the last fault, as signal frames show it */
	uint64_t trap_no, trap_error, trap_address;
};
