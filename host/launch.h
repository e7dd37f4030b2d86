/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sconce run` asks of the launcher.
 *
 * The command line has been parsed and checked; struct launch is complete and
 * consistent, and the host side treats @config as opaque bytes: the kernel
 * decodes and judges them (lib/config.h), the launcher only delivers them.
 * Everything pointed to outlives the call.
 */
#pragma once

#include "lib/err.h"
#include "lib/types.h"

enum launch_mode {
	LAUNCH_AUTO,
	LAUNCH_HARDWARE,
	LAUNCH_EMULATED,
};

enum launch_calls {
	LAUNCH_CALLS_AUTO, /* as measured at start */
	LAUNCH_CALLS_EXIT,
	LAUNCH_CALLS_RING,
};

/* Exit statuses of `sconce run` that are not the program's own. */
enum launch_status {
	LAUNCH_FAILED = 125,
	LAUNCH_NOT_EXECUTABLE = 126,
	LAUNCH_NOT_FOUND = 127,
};

struct launch {
	/* Absolute host path of the program, for messages; argv[0] is as typed.
	 */
	const char *program;

	/* File beside the kernel's with the first program, which the kernel
	 * knows by its hash; NULL: "sconce-init". */
	const char *init;

	enum launch_mode mode;
	uint64_t memory; /* bytes the programs may commit, page aligned */
	unsigned cpus; /* enclave threads, 1..TCS_MAX */

	bool trace;
	bool stats;
	const char *stats_path; /* NULL: statistics go to standard error */
	bool trace_host; /* host calls to standard error, as served */
	enum launch_calls calls; /* how host calls travel */
	const char *las; /* socket of the quoting service; NULL: usual ones */
	bool faithful; /* emulator: trap each ENCLU, patch nothing */

	/* Canonical CBOR of struct config, the kernel's launch configuration.
	 */
	const uint8_t *config;
	size_t config_size;

	/* CONFIGID: SHA-256 of the canonical manifest, then zeros; all zero for
	 * a development run without a manifest. */
	bool has_manifest;
	uint8_t config_id[64];
};

/*
 * Makes the enclave, runs the program to its end and takes the enclave down.
 *
 * 0: the program ended; *wait_status is as wait(2) gives it.
 * -ENOENT, -EACCES, -ENOEXEC: the program could not be started for that
 * reason (127, 126, 126); other -errno: the enclave could not be made or it
 * stopped (-EPROTO: the host broke the protocol). @e then holds one line.
 *
 * With l->stats one line "name value" per counter is written at the end:
 * inside, exitless, exits, traps (system calls by kind), memory_peak (bytes
 * committed), threads_peak, and what else there is.
 */
must_check int host_run(
	const struct launch *l, int *wait_status, struct err *e);
