/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the machine offers, found out by trying. `sconce doctor` prints it,
 * `sconce run` takes the mode from it.
 */
#pragma once

#include "host/launch.h"
#include "lib/types.h"

enum probe_state {
	PROBE_OK,
	PROBE_MISSING,
	PROBE_UNKNOWN, /* could not be found out */
};

enum probe_need {
	PROBE_INFO, /* nothing depends on it, or speed only */
	PROBE_BOTH, /* no mode works without it */
	PROBE_EMULATED, /* emulated mode does not work without it */
	PROBE_HARDWARE, /* hardware mode does not work without it */
};

struct probe_result {
	const char *name; /* short and stable, for --json */
	const char *what; /* for people */
	enum probe_need need;
	enum probe_state state;
	char seen[128]; /* the value found */
	const char *effect; /* of its being missing */
	const char *cure;
};

enum { PROBE_MAX = 48 };

struct probe_report {
	struct probe_result result[PROBE_MAX];
	size_t count;
	bool hardware_possible, emulated_possible;
	enum launch_mode mode; /* that AUTO would take; AUTO if none works */
	char reason[256]; /* why that mode */
};

/* Tries everything; takes some milliseconds. */
void probe_machine(struct probe_report *report);

/*
 * The mode to use for the one that was asked for. 0, or -ENODEV with the first
 * thing that is missing, its effect and cure in @e. Looks only at what takes
 * microseconds to find out.
 */
must_check int probe_mode(
	enum launch_mode wanted, enum launch_mode *mode, struct err *e);

/* AUTO became emulated although the machine has an SGX device: what is missing
 * and what helps. NULL: nothing of the kind. */
const char *probe_fallback(void);

/*
 * After a launch failed: looks at everything. -ENODEV with @e replaced if the
 * mode lacks something; 0, @e untouched, if the reason must be another.
 */
int probe_explain(enum launch_mode mode, struct err *e);

/* Processors this process may use, at least 1. */
unsigned probe_cpus(void);

/* Bytes of memory this process may use (machine or cgroup), 0: unknown. */
uint64_t probe_memory(void);
