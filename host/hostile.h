/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lying host: stands between the server of host calls and the enclave.
 * Linked into test programs only, with the linker's --wrap, so that the
 * product has no place where to hang it in.
 *
 * SCONCE_HOSTILE="seed=1,rate=100,after=0,lies=strict" in the environment:
 * rate is lies per 10,000 calls, after is the number of honest calls before,
 * log names a file that gets a line per lie. lies:
 *	strict  outside of the contract of the call: results, errnos,
 *	        descriptors, ids, calls not served at all
 *	data    within it, yet untrue: contents of buffers, short results,
 *	        plausible errors, time
 *	refuse  plausible errors instead of calls, most often that there is no
 *	        such file
 *	flip    another thread writes into the shared region all the time
 *	entry   EENTER with other registers, exceptions not shown to the enclave
 *	        or shown twice
 * or several of them joined by '+'. Which call is lied about how depends on
 * the seed, the call's name and its number among those of that name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum hostile_lies {
	HOSTILE_STRICT = 1,
	HOSTILE_DATA = 2,
	HOSTILE_FLIP = 4,
	HOSTILE_ENTRY = 8,
	HOSTILE_REFUSE = 16,
};

struct hostile_config {
	uint64_t seed;
	uint64_t rate;
	uint64_t after;
	unsigned lies;
	int log_fd; /* -1: none */
};

/* For programs that do not take it from the environment. */
void hostile_configure(const struct hostile_config *config);
/* Shall the next entry be lied about? Then *random is not 0. */
bool hostile_entry_lie(uint64_t *random);
/* The log's last line: "end ERR WAIT_STATUS". */
void hostile_log_end(int err, int wait_status);
/* Lies told so far. */
uint64_t hostile_count(void);
